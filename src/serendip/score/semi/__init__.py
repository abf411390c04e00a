"""Semi-supervised scores: trained on calibration samples of known kind, asked about events of unknown kind."""
