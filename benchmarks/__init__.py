"""Speed beside peers, and the studies behind the defaults; results stand in RESULTS.md."""
