"""Files that are whole or not there, and readers that no file can surprise."""

from rnnhw.files.folders import replaced_folder
from rnnhw.files.npz import Header, Npz, open_npz
from rnnhw.files.structured import read_json, read_toml
from rnnhw.files.temporary import scratch_folder
from rnnhw.files.whole import check_output, check_writable, unwritable, written_whole

__all__ = [
    "Header",
    "Npz",
    "check_output",
    "check_writable",
    "open_npz",
    "read_json",
    "read_toml",
    "replaced_folder",
    "scratch_folder",
    "unwritable",
    "written_whole",
]
