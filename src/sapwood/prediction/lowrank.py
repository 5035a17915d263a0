"""stub"""


def find_factors(dtype, shape, read, bits):  # type: ignore
    return None
