"""Machine code of kernels, read from what nvdisasm prints: instructions, basic blocks and loops. For scripts/compiled_code.py.

A loop is a natural one: blocks from which a backward branch to their dominator can be reached. BSYNC goes where the BSSY of its barrier said, which
may differ between the paths that lead to it. A call goes on behind itself; a routine that is called begins without a path to it.
"""
import collections
import dataclasses
import re

LINE = re.compile(r"\s+/\*([0-9a-f]{4,})\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][A-Z0-9a-z_.]*)\s*(.*?)\s*;")
LABEL = re.compile(r"([.$\w]+):\s*$")
SECTION = re.compile(r"\s*\.section\s+\.text\.([$\w.]+),")
TARGET = re.compile(r"`\(([.$\w]+)\)")
TENSOR_CORE = re.compile(r"[A-Z]*MMA$")
# The opcode of an access: whose memory it is. LD, ST and ATOM without a letter decide it at run time, by the address.
SPACES = {"LDG": "global", "STG": "global", "LDS": "shared", "STS": "shared", "LDSM": "shared", "STSM": "shared", "LDL": "local", "STL": "local",
          "LD": "generic", "ST": "generic", "ATOM": "generic", "LDGSTS": "copy"}
BRANCHES = {"BRA", "BRX", "BRXU", "JMP", "JMX", "JMXU"}


@dataclasses.dataclass(slots=True)
class Instruction:
    offset: int
    predicate: str
    opcode: str
    operands: str

    @property
    def name(self):
        return self.opcode.split(".", 1)[0]

    @property
    def never(self):
        """Fills an issue slot and does nothing: some of them are there for the hardware's sake."""
        return self.predicate in ("!PT", "!UPT")

    @property
    def always(self):
        return self.predicate in ("", "PT", "UPT") and (self.name != "BRA" or self.operands.startswith("`("))

    @property
    def branch(self):
        """Goes to a place in the kernel. nvcc leaves some loops by a CALL from which nothing returns."""
        return not self.never and (self.name in BRANCHES or self.name == "CALL" and self.operands.startswith("`(.L"))

    @property
    def tensor_core(self):
        return bool(TENSOR_CORE.match(self.name)) and not self.never

    @property
    def space(self):
        return None if self.never else SPACES.get(self.name)

    @property
    def bytes(self):
        """Bytes that an access moves for each thread."""
        parts = self.opcode.split(".")
        if self.name in ("LDSM", "STSM"):
            return 4 * int(parts[-1])
        return next((size for part in parts for name, size in (("128", 16), ("64", 8), ("U16", 2), ("S16", 2), ("U8", 1), ("S8", 1)) if part == name), 4)


class Kernel:
    """name, mangled; instructions; labels: label -> index of the instruction behind it."""

    def __init__(self, name):
        self.name, self.instructions, self.labels = name, [], {}

    def calls(self):
        """The routine of every call, without the number that sets it apart from other copies."""
        for at in self.instructions:
            if at.name == "CALL" and not at.branch and not at.never:
                target = TARGET.search(at.operands)
                yield re.sub(r"\$__internal_\d+_\$", "", target[1]) if target else "a function by its address"

    def blocks(self):
        """(first, end) of every basic block, in order, and the blocks that follow each; the first block is the entry."""
        code = self.instructions
        ends = BRANCHES | {"EXIT", "RET", "BSYNC", "BSSY", "CALL"}
        begins = sorted({0} | {at for at in self.labels.values() if at < len(code)} | {i + 1 for i in range(len(code) - 1) if code[i].name in ends})
        ranges = list(zip(begins, [*begins[1:], len(code)]))
        block_of = {begin: i for i, begin in enumerate(begins)}
        return ranges, self._edges(ranges, block_of)

    def _edges(self, ranges, block_of):
        code = self.instructions

        def named(instruction):
            return [block_of[self.labels[label]] for label in re.findall(r"[.$\w]+", instruction.operands) if self.labels.get(label) in block_of]

        barriers = [collections.defaultdict(set) for _ in ranges]  # at the begin of a block: barrier -> blocks that its BSYNC may go to
        after = [set() for _ in ranges]
        work = collections.deque(range(len(ranges)))
        while work:
            block = work.popleft()
            last = code[ranges[block][1] - 1]
            leaving = {barrier: set(where) for barrier, where in barriers[block].items()}
            follow = set()
            if last.name == "BSSY":
                leaving[barrier_of(last)] = set(named(last))
            if last.branch:
                follow |= set(named(last))
            elif last.name == "BSYNC":
                follow |= barriers[block].get(barrier_of(last), set())
            ends = last.branch or last.name in ("EXIT", "RET", "BSYNC")
            if not (last.always and ends) and block + 1 < len(ranges):
                follow.add(block + 1)
            after[block] = follow
            for other in follow:
                grown = False
                for barrier, where in leaving.items():
                    if not where <= barriers[other][barrier]:
                        barriers[other][barrier] |= where
                        grown = True
                if grown:
                    work.append(other)
        return after

    def loops(self):
        """The loops that can be reached, each a list of its instructions in their order."""
        ranges, after = self.blocks()
        called = {self.labels[target[1]] for at in self.instructions if at.name == "CALL" and not at.branch
                  if (target := TARGET.search(at.operands)) and target[1] in self.labels}
        roots = {block for block, (begin, _) in enumerate(ranges) if begin == 0 or begin in called}
        above = dominators(after, roots)
        before = collections.defaultdict(set)
        for block, follow in enumerate(after):
            for other in follow:
                before[other].add(block)
        found = collections.defaultdict(set)
        for block, follow in enumerate(after):
            for header in follow:
                if header in above.get(block, ()):
                    body, work = {header}, [block]
                    while work:
                        at = work.pop()
                        if at not in body:
                            body.add(at)
                            work.extend(before[at])
                    found[header] |= body
        return [[self.instructions[i] for block in sorted(body) for i in range(*ranges[block])] for _, body in sorted(found.items())]


def barrier_of(instruction):
    return re.match(r"(?:\w+, )?(B\d+)", instruction.operands)[1]


def dominators(after, roots):
    """Of every block that can be reached: the blocks through which each path from a root to it leads, and itself."""
    order, seen = [], set()

    def visit(root):
        stack = [(root, iter(sorted(after[root])))]
        seen.add(root)
        while stack:
            block, rest = stack[-1]
            step = next((other for other in rest if other not in seen), None)
            if step is None:
                order.append(block)
                stack.pop()
            else:
                seen.add(step)
                stack.append((step, iter(sorted(after[step]))))

    for root in sorted(roots):
        if root not in seen:
            visit(root)
    order.reverse()
    before = collections.defaultdict(set)
    for block in order:
        for other in after[block]:
            before[other].add(block)
    above = {root: {root} for root in roots}
    changed = True
    while changed:
        changed = False
        for block in order:
            if block in roots:
                continue
            paths = [above[other] for other in before[block] if other in above]
            new = set.intersection(*paths) | {block}
            if above.get(block) != new:
                above[block], changed = new, True
    return above


def read(text):
    """The kernels of nvdisasm's text, in order. A line that looks like code and cannot be read is an error."""
    kernels, kernel = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if section := SECTION.match(line):
            kernel = Kernel(section[1])
            kernels.append(kernel)
        elif label := LABEL.match(line):
            if kernel is not None:
                kernel.labels[label[1]] = len(kernel.instructions)
        elif line.lstrip().startswith("/*"):
            code = LINE.match(line)
            if code is None or kernel is None:
                raise ValueError(f"line {number} of the disassembly cannot be read: {line.strip()}")
            kernel.instructions.append(Instruction(int(code[1], 16), code[2] or "", code[3], code[4]))
    return kernels
