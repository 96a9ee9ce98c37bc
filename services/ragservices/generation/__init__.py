"""Generation service: an answer from passages, written by a language model or quoted from them."""
