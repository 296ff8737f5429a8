#!/usr/bin/env python3
"""Compares payloads of Provisor with the payloads of another reference, target by target.

    compare_ref.py USERS EXPECTED MADE      three JSONL files of as many lines: records, reference, Provisor

Prints how many payloads differ and, for each differing target, how often and some examples. Exits with 1 when a target
other than nickName differs, or a nickName for another reason than a letter that NormalizeDiacritics spells out (a
reference that only drops marks has no such letters).
"""

import collections
import itertools
import json
import sys

SPELLED = set("ßæÆøØłŁı")
EXAMPLES = 3


def targets(value, path=""):
    """Every leaf with its path. List elements are told apart by their type, not by their place."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from targets(below, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for place, below in enumerate(value):
            kind = below.get("type", place) if isinstance(below, dict) else place
            yield from targets(below, f"{path}[{kind}]")
    else:
        yield path, value


def is_spelled(user):
    names = (user.get("givenName") or "")[:2] + (user.get("surname") or "")
    return not SPELLED.isdisjoint(names)


def main(users_path, expected_path, made_path):
    count = different = 0
    by_target = collections.defaultdict(list)
    explained = 0
    with open(users_path, encoding="utf-8") as users, open(expected_path, encoding="utf-8") as expected_file, \
            open(made_path, encoding="utf-8") as made_file:
        for lines in itertools.zip_longest(users, expected_file, made_file):
            if None in lines:
                sys.exit(f"the files do not have as many lines: one ends after {count}")
            user, expected, made = map(json.loads, lines)
            count += 1
            # Lists in another order differ though their leaves do not.
            if expected == made:
                continue
            different += 1
            expected, made = dict(targets(expected)), dict(targets(made))
            paths = [path for path in expected | made if expected.get(path) != made.get(path)] or ["(order of a list)"]
            for path in paths:
                if path == "nickName" and is_spelled(user):
                    explained += 1
                by_target[path].append((count, expected.get(path), made.get(path)))
    print(f"{count} payloads compared, {different} differ")
    for path, cases in sorted(by_target.items()):
        print(f"{path}: {len(cases)}")
        for line, expected, made in cases[:EXAMPLES]:
            print(f"    line {line}: expected {expected!r}, made {made!r}")
    if explained:
        print(f"{explained} of the nickName differences are letters that NormalizeDiacritics spells out (ø, ß, ł …)")
    return 0 if sum(map(len, by_target.values())) == explained and count else 1


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
