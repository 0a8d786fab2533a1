"""Puts the scripts' Python and the tests' own helpers on the path."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'scripts' / 'python'), str(ROOT / 'tests' / 'python')]
