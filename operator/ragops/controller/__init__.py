"""The thin shell: wake-ups, work queue, the reconcile pass, and what keeps them running."""
