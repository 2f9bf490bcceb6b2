"""The dashboard: watch a run play out in a browser; the only package of the project that imports solara."""
