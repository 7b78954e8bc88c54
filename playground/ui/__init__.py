"""The page: one file per tab and a few shared pieces. Shows what the backend computes; computes nothing itself."""
