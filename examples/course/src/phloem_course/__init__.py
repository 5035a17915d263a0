"""The course that `phloem init` makes a workspace from.

What students write goes to a package of another name, `phloem`, in their workspace: neither
ever hides the other.
"""
