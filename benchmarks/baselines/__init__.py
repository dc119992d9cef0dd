"""What Skysail is compared with: servers a user could have written in a few lines instead."""
