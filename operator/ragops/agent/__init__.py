"""The agent beside HAProxy in the gateway's pod: reads its log, sets weights, maps and configuration."""
