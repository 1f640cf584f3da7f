"""What stands between data as users have them and arrays as networks take them."""
