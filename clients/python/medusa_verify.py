#!/usr/bin/env python3
"""Checks an export of a Medusa log (`medusa audit export DIR`) without any of Medusa's programs.

    python3 medusa_verify.py DIR [--key VKEY] [--since FILE_WITH_A_CHECKPOINT_THAT_YOU_KEPT]

Python 3.11 and nothing else. It ends at the first thing that is wrong with status 10, and names the
first bad event where there is one. docs/verify.md says what each check proves, and what it cannot.
"""
import base64, hashlib, json, os, re, sys
from collections import defaultdict
from ed25519 import has_signed

# Classes of accounts: those that are kept in dollars, and those in credits.
DOLLARS = {"bank", "psp_clearing", "owner.capital", "expense.psp_fee", "expense.chargeback_fee",
           "exchange.USD"}
CREDITS = {"receivable.consumer", "receivable.lender", "receivable.advertiser", "consumer.paid",
           "consumer.ad", "consumer.promo", "lender.pending", "lender.available", "escrow.paid",
           "escrow.ad", "escrow.promo", "escrow.earned", "advertiser.balance", "campaign.reserve",
           "payout.pending", "tax.withheld", "suspense.adjustment", "income.compute_fee",
           "income.ad_margin", "income.breakage", "income.payout_fee", "expense.bad_debt",
           "expense.fraud_loss", "expense.promo_grant", "expense.goodwill", "rounding",
           "exchange.CRD"}
# The fields of an event and of what the server claims, in their order.
EVENT = ["format", "position", "stream", "version", "at", "actor", "operation", "causation",
         "postings", "changes", "type", "data"]
BALANCES = ["position", "classes", "accounts"]
CLASS = ["class", "balance"]
ACCOUNT = ["account", "as_of", "balance", "debits_pending", "credits_pending", "state"]

def bad(what, first=None, last=None):
    which = f"events {first} to {last}: " if last and last > first else f"event {first}: "
    print("bad:", (which if first else "") + what)
    sys.exit(10)

# --- Keys and checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint) ---------------------
def unbase64(text):
    data = base64.b64decode(text, validate=True)
    return data if base64.b64encode(data).decode() == text else bad(f"{text}: stray bits")

def read_key(line):
    name, key_id, key = line.split("+", 2)
    typed = unbase64(key)
    if hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8] != key_id or typed[0] != 1:
        bad(f"{line} is no key of a log")
    return name, bytes.fromhex(key_id), typed[1:]

def open_note(note, keys):
    """Size and root of a checkpoint that its log has signed."""
    text, _, lines = note.rpartition("\n\n")
    text, fits = text + "\n", []
    for line in lines.removesuffix("\n").split("\n"):
        dash, name, value = line.split(" ")
        for known, key_id, key in keys:
            if (known, key_id) == (name, unbase64(value)[:4]) and text.startswith(name + "\n"):
                fits.append(has_signed(key, text.encode(), unbase64(value)[4:]))
        if dash != "\u2014" or not note.endswith("\n"):
            bad("a checkpoint was changed: it is no signed note")
    if not fits or not all(fits):
        bad("a checkpoint was changed, or signed by another key than the log's")
    return int(text.split("\n")[1]), unbase64(text.split("\n")[2])

# --- The tree (RFC 6962, 2.1) and its files (c2sp.org/tlog-tiles) ------------------------------
def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def push(peaks, count, leaf):
    """Adds leaf number `count`, from 0, to the roots of the perfect subtrees."""
    while count % 2:
        leaf, count = sha256(b"\1", peaks.pop(), leaf), count // 2
    peaks.append(leaf)

def root_of(peaks):
    root = peaks[-1] if peaks else sha256()
    for left in peaks[-2::-1]:
        root = sha256(b"\1", left, root)
    return root

def tiles(kind, count):
    """Name, start and width of each tile over `count` hashes; number 1234067 is x001/x234/067."""
    for start in range(0, count, 256):
        width, groups = min(256, count - start), f"{start // 256:,}".split(",")
        path = "".join(f"x{group:0>3}/" for group in groups[:-1]) + f"{groups[-1]:0>3}"
        yield f"tile/{kind}/{path}" + f".p/{width}" * (width < 256), start, width

# --- The export --------------------------------------------------------------------------------
def read(name, first=None, last=None):
    seen.add(name)
    try:
        return open(os.path.join(folder, name), "rb").read()
    except OSError as error:
        bad(f"{name}: {error.strerror}", first, last)

def whole(text):
    """JSON whose numbers are whole."""
    def refused(number):
        raise ValueError(f"{number} is not a whole number")
    return json.loads(text, parse_float=refused, parse_constant=refused)

def written(value):
    """The one way in which it is written."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

def in_place_of(name, width):
    """Name and width of the widest file that stands in its place, when it is not there."""
    at = name.split(".p/")[0]
    partial = os.path.join(folder, at + ".p")
    widths = {int(n): f"{at}.p/{n}" for n in (os.listdir(partial) if os.path.isdir(partial) else [])
              if n.isdigit() and 0 < int(n) < 256}
    if os.path.isfile(os.path.join(folder, at)):
        widths[256] = at
    if os.path.isfile(os.path.join(folder, name)) or not widths:
        return name, width
    return widths[max(widths)], max(widths)

def is_signed(size, root):
    """Whether the tiles of leaves are the ones that were signed."""
    peaks = []
    for name, start, width in tiles(0, size):
        try:
            leaves = open(os.path.join(folder, name), "rb").read()
        except OSError:
            return False
        for n in range(width):
            push(peaks, start + n, leaves[32*n:32*n + 32])
    return root_of(peaks) == root

def events(size, tile_roots):
    """Position, bytes and leaf hash of each event. A bundle has two bytes of length before each."""
    for name, start, width in tiles("entries", size):
        # With an event taken out or put in, the last bundle has another width, and so another name.
        name, found = in_place_of(name, width)
        if not os.path.isfile(os.path.join(folder, name)):
            broken(f"{name}: it is not there", start + 1, start + width)
        bundle = read(name, start + 1, start + width)
        leaves, peaks = read(name.replace("entries", "0"), start + 1, start + width), []
        for n in range(min(width, found)):
            end = 2 + int.from_bytes(bundle[:2])
            entry, bundle, stored = bundle[2:end], bundle[end:], leaves[32*n:32*n + 32]
            leaf = sha256(b"\0", entry)
            # The last one could claim to be longer than what is there.
            if leaf != stored or len(entry) != end - 2:
                bad("its bytes do not have the hash in the tile: changed, exchanged or removed",
                    start + n + 1)
            push(peaks, n, leaf)
            yield start + n + 1, entry, leaf
        if found < width:
            broken(f"the log was cut: {size} events were signed for; or one was taken out, and those "
                   "after it written anew", start + found + 1, size)
        if found > width:
            broken(f"{name}: nothing signed for this", start + width + 1)
        if bundle or len(leaves) != 32 * width:
            bad(f"{name} or its tile goes on: nothing signed for this", start + width + 1)
        tile_roots += peaks if width == 256 else []

def check_tiles(row, size):
    """Each tile above the leaves has the roots of the full tiles below it; no file is left over."""
    level, below = 1, 256  # events below each hash
    while row:
        above = []
        for name, start, width in tiles(level, len(row)):
            stored, peaks = read(name, start * below + 1, (start + width) * below), []
            for n, found in enumerate(row[start:start + width]):
                if stored[32*n:32*n + 32] != found:
                    bad(f"{name} has another hash for them than the tiles below it",
                        (start + n) * below + 1, (start + n + 1) * below)
                push(peaks, n, found)
            if len(stored) != 32 * width:
                bad(f"{name} goes on: nothing signed for this")
            above += peaks if width == 256 else []
        row, level, below = above, level + 1, below * 256
    for path, folders, names in os.walk(folder):
        names += [name for name in folders if os.path.islink(os.path.join(path, name))]
        for name in (os.path.relpath(os.path.join(path, name), folder) for name in names):
            if name.replace(os.sep, "/") not in seen:
                of_leaves = re.fullmatch(r"tile/(?:entries|0)/((?:x\d{3}/)*\d{3})(?:\.p/(\d+))?", name)
                index, width = of_leaves.groups(default="256") if of_leaves else ("0", "0")
                ends = int(re.sub("[x/]", "", index)) * 256 + int(width)
                bad(f"{name}: nothing signed for this", size + 1 if ends > size else None)

def broken(what, first, last=None):
    """Something that shows at an event. In a log whose tiles are not as they were signed, it may
    have begun before: behind the last event that was signed for and is as it was."""
    if not is_signed(*head):
        first, last = min(first, good[-1] + 1), last or first
    bad(what, first, last)

def read_event(entry, position):
    """An event, written in the one way in which events are written."""
    try:
        event = whole(entry)
        fields = [field for field in EVENT if field != "changes" or "changes" in event]
        if list(event) != fields or event["format"] != 1 or written(event).encode() != entry:
            raise ValueError("its fields are not those of an event, in their one order and form")
        if event["position"] != position:
            bad(f"event {event['position']} stands in its place", position)
        if not all(type(amount) is int for _, amount in event["postings"]):
            raise ValueError("an amount is not a number")
    except (ValueError, TypeError) as error:
        bad(f"its bytes are no event: {error}", position)
    return event

def replay(size, signed, claims):
    """Every balance from nothing; what was signed and claimed is compared on the way."""
    # Of each account: its balance, what is reserved to leave it and to come in, and its state.
    books, reserved = defaultdict(lambda: [0, 0, 0, "open"]), {}
    peaks, tile_roots, versions, time, claimed = [], [], defaultdict(int), 0, defaultdict(list)
    for claim in claims["accounts"]:
        claimed[claim["as_of"]].append(claim)
    listed = {claim["account"] for claim in claims["accounts"]}
    complete = min(claimed, default=size)
    for position, entry, leaf in events(size, tile_roots):
        event, sums = read_event(entry, position), defaultdict(int)
        versions[event["stream"]] += 1
        if event["version"] != versions[event["stream"]]:
            broken(f"it is version {event['version']} of {event['stream']}, after version "
                   f"{versions[event['stream']] - 1}", position)
        if event["at"] < time:
            broken("its time is before that of the event before it", position)
        time = event["at"]
        for account, amount in event["postings"]:
            books[account][0] += amount
            sums[account.split(":")[0] in DOLLARS] += amount
        if any(sums.values()):
            broken("its postings do not sum to nothing", position)
        for (kind, change), in (change.items() for change in event.get("changes", [])):
            if kind == "state":
                books[change["account"]][3] = change["state"]
                continue
            if kind == "reserved":
                reserved[change["pending"]] = change["from"], change["to"], -change["amount"]
                source, target, amount = change["from"], change["to"], change["amount"]
            else:
                source, target, amount = reserved.pop(change["pending"])
            books[source][1] += amount
            books[target][2] += amount
        push(peaks, position - 1, leaf)
        for root in signed.get(position, []):
            if root != root_of(peaks):
                bad("history was rewritten: another root was signed", good[-1] + 1, position)
            good.append(position)
        for claim in claimed.pop(position, []):
            found = dict(zip(("balance", "debits_pending", "credits_pending", "state"),
                             books.get(claim["account"], [])))
            if claim != {"account": claim["account"], "as_of": position, **found}:
                bad(f"the server claims {claim}, the events give {found}", position)
        if position == complete and books.keys() - listed:
            bad(f"the server leaves out {min(books.keys() - listed)}", position)
    sums = defaultdict(int, {claim["class"]: -claim["balance"] for claim in claims["classes"]})
    for account, standing in books.items():
        sums[account.split(":")[0]] += standing[0]
    if claimed or any(sums.values()):
        bad(f"the server's balances are not those of the events: {dict(sums)}", size)
    check_tiles(tile_roots, size)

def check_claims(claims):
    """The claims have their fields, whole numbers, and each class and account once."""
    rows = [(claims, BALANCES)] + [(row, CLASS) for row in claims["classes"]]
    for row, fields in rows + [(row, ACCOUNT) for row in claims["accounts"]]:
        if list(row) != fields:
            bad(f"balances.json: {list(row)} are not the fields {fields}")
        for name, value in row.items():
            if type(value) not in (list, str if name in ("class", "account", "state") else int):
                bad(f"balances.json: {name} is not a number: {value!r}")
    for kind, named in ("classes", "class"), ("accounts", "account"):
        names = [row[named] for row in claims[kind]]
        if len(set(names)) != len(names):
            bad(f"balances.json: one of its {kind} stands in it twice")
    for row in claims["classes"]:
        if row["class"] not in DOLLARS | CREDITS:
            bad(f"balances.json: {row['class']!r} is no class of accounts")

def check(keys, since):
    line = read("log.vkey").decode()
    whose = "the key given with --key" if keys else "the key of the export's own word"
    keys = keys or [read_key(line[:-1])]
    if read_key(line[:-1]) not in keys or line[-1] != "\n":
        bad(f"log.vkey is none of the keys that you named: {line}")
    size, root = open_note(read("checkpoint").decode(), keys)
    head[:] = size, root
    lines, balances = read("checkpoints.jsonl").decode(), read("balances.json").decode()
    notes, claims = [json.loads(line) for line in lines.splitlines()], whole(balances)
    # A byte that JSON does not care about is a changed byte all the same.
    if "".join(written(note) + "\n" for note in notes) != lines or written(claims) != balances:
        bad("checkpoints.jsonl or balances.json was changed: they are written in another way")
    check_claims(claims)
    signed = defaultdict(list, {size: [root]})
    for note in notes + [open(path, encoding="utf-8", newline="").read() for path in since]:
        known, known_root = open_note(note, keys)
        if known > size:
            bad(f"the log was cut: {known} events were signed for", size + 1, known)
        signed[known].insert(0, known_root)
    if claims["position"] != size:
        bad(f"balances.json is of event {claims['position']}, the checkpoint of {size}")
    replay(size, signed, claims)
    print(f"ok: {size} events, root {root.hex()}, balances agree; checked with {whose}")

def usage(what):
    """Ends with status 2: it was called wrongly, which says nothing about the log."""
    print(f"{what}\nusage: medusa_verify.py DIR [--key VKEY] [--since FILE]", file=sys.stderr)
    sys.exit(2)

def arguments(words):
    """The folder, and the values of each option; the same value twice is a slip."""
    folders, given, words = [], {"--key": [], "--since": []}, list(words)
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(__doc__)
            sys.exit(0)
        if not word.startswith("-"):
            folders.append(word)
        elif word not in given:
            usage(f"there is no option {word}")
        elif not words or words[0].startswith("--"):
            usage(f"{word} needs a value")
        elif words[0] in given[word]:
            usage(f"{word} {words[0]} is given twice")
        else:
            given[word].append(words.pop(0))
    if len(folders) != 1:
        usage("name one folder: the export")
    if not os.path.isdir(folders[0]):
        usage(f"{folders[0]} is no folder")
    if os.path.exists(os.path.join(folders[0], "export.part")):
        usage(f"the export in {folders[0]} is not finished")
    for path in given["--since"]:
        if not os.path.isfile(path):
            usage(f"{path} is no file")
    return folders[0], given

if __name__ == "__main__":
    folder, given = arguments(sys.argv[1:])
    # Files that were read; size and root that were signed; sizes that were signed for and fit.
    seen, head, good = set(), [], [0]
    try:
        check([read_key(key) for key in given["--key"]], given["--since"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        bad(f"something was changed and cannot be read: {error!r}")
