"""What the container image adds to the code."""
