"""Sphinx: `sphinx-build -W docs docs/_build/html`; `-D plot_gallery=1` runs the examples too."""

from importlib.metadata import version as version_of

project = "skdeep"
author = "the skdeep developers"
copyright = "2026, the skdeep developers"
version = release = version_of("skdeep")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "templates"]
templates_path = ["templates"]
html_theme = "pydata_sphinx_theme"
html_sidebars = {"api": [], "benchmarks": []}

smartquotes = False  # keeps 'relu' typeable
default_role = "literal"  # docstrings write `name` for code
autosummary_generate = True
numpydoc_show_class_members = False  # templates/class.rst lists the methods

plot_gallery = "False"  # as text, or `-D plot_gallery=1` clashes with its type
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
}


def skip_foreign(app, what, name, obj, skip, options):
    """Leave out what scikit-learn documents: its docstrings refer to pages of its own."""
    function = getattr(obj, "fget", obj)
    return skip or not str(getattr(function, "__module__", "skdeep")).startswith("skdeep")


def setup(app):
    app.connect("autodoc-skip-member", skip_foreign)
