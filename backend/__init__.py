"""The engine room of scVI Studio: everything but the pages.

Layers, each importing only those to its right:
``pages -> services -> runs -> workers -> training -> datasets``.
``exports`` reads what a run left behind; ``charts`` turns records into figures.
``types``, ``errors`` and ``settings`` are the shared vocabulary and import nothing of ours.
Nothing here imports streamlit.
"""

import os

# Its files here are written once, beside their place, and renamed; on a file system without locks HDF5 gives up.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
