"""What somebody must know: raised by the apps above, shown as a banner and on a page."""
