"""What stands between data as users have them and arrays as networks take them."""

from skdeep.preprocessing.table.encoder import TableEncoder

__all__ = ["TableEncoder"]
