"""Records without what no two runs have in common: clocks, memory, and the folder they lie in."""
OF_ITS_RUN = ('provenance', 'peak_memory_bytes', 'wall_clock_s')


def is_clock(key):
    "Whether the value of this name was measured with a clock: its unit says so."
    return 'per_second' in key or not {'seconds', 'ms'}.isdisjoint(key.split('_'))


def timeless(value, places, left_out=()):
    "A record without clocks and memory; what its configuration sets stays. Folders: ROOT."
    if isinstance(value, list): return [timeless(v, places, left_out) for v in value]
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k not in (*OF_ITS_RUN, *left_out)}
        return {k: settings(v, places) if k == 'config' else timeless(v, places, left_out)
                for k, v in kept.items() if not is_clock(k)}
    return without_folders(value, places)


def settings(value, places):
    "A configuration, as it is but for folders."
    if isinstance(value, dict): return {k: settings(v, places) for k, v in value.items()}
    if isinstance(value, list): return [settings(v, places) for v in value]
    return without_folders(value, places)


def without_folders(value, places):
    "A string without these folders, or any other value."
    if not isinstance(value, str): return value
    for place in places: value = value.replace(place, 'ROOT')
    return value
