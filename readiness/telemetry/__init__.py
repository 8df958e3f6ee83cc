"""Request records, rollups and the charts of traffic."""
