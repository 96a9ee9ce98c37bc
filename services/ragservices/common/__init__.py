"""What every service shares: settings, application factory, errors, metrics, HTTP client, database."""
