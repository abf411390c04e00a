"""Which events and windows: cross-fitting, cuts at a background efficiency, window scans."""
