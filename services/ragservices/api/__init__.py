"""API service: the one entrance for users; questions, chat and documents."""
