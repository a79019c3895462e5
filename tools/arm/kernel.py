#!/usr/bin/env python3
"""The ARM64 cost of one call of a WebAssembly kernel, found on an x86 machine, the same every time.

V8's own ARM64 code runs under qemu-user, every executed block is traced and counted, and llvm-mca predicts
the cycles of the hot loop. Counts are exact; cycles are a PREDICTION for data in the first-level cache; time
under the emulator means nothing.

    tools/arm/setup.sh kernel
    tools/arm/kernel.py dist/kernels/dot4.wasm FUNCTION NUMBER... --macs N --assert-sdot --max-insns M

Environment: NODE_MAJOR (22, 24 or 26), and INIT and PAGES as in run-kernel.mjs.
"""
import argparse
import collections
import glob
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SYSROOT = os.environ.get('QEMU_LD_PREFIX', '/usr/aarch64-linux-gnu')
NODE_MAJOR = os.environ.get('NODE_MAJOR', '24')
QEMU = os.environ.get('QEMU') or shutil.which('qemu-aarch64-static') or shutil.which('qemu-aarch64')

# Instructions per cycle that the front end can deliver. llvm-mca's models have no front end.
# Of integers: what the dot products are made of.
MULTIPLICATION = re.compile(r'(sdot|udot|[su]mmla|[su]m(ull|lal)2?|mla|mul|madd|s?maddl)\b')
# A loop that is this much of what was executed stands for all of it.
LOOP_SHARE = 0.8
DECODE_WIDTH = {'cortex-a53': 2, 'cortex-a55': 2, 'cortex-a57': 3, 'cortex-a72': 3,
                'neoverse-n1': 4, 'neoverse-n2': 5, 'neoverse-v1': 8, 'neoverse-v2': 8}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('wasm')
    add('function')
    add('numbers', nargs='*', help='arguments of the call')
    add('--macs', type=float, help='multiply-accumulates that this call does')
    add('--cpu', default='cortex-a76', help='emulated CPU (default: %(default)s)')
    add('--models', help='CPUs to predict, comma-separated (default: those that fit --cpu)')
    add('--ghz', type=float, default=2.4, help='clock for the prediction (default: %(default)s)')
    add('--assert-sdot', action='store_true', help='fail if no SDOT was executed')
    add('--assert-no-sdot', action='store_true', help='fail if an SDOT was executed')
    add('--max-insns', type=int, help='fail if more instructions were executed')
    add('--listing', action='store_true', help='print the hot loop')
    add('--json', action='store_true')
    return parser.parse_args()


def find_llvm():
    """The newest LLVM: version 17 and later know the Neoverse cores."""
    found = [path for path in glob.glob('/usr/lib/llvm-*/bin') if os.path.exists(path + '/llvm-mca')]
    return max(found, key=lambda path: int(re.search(r'llvm-(\d+)', path)[1]), default='/usr/bin')


def find_node():
    script = os.path.join(HERE, '..', '..', 'scripts', 'node-path.sh')
    return subprocess.run([script, NODE_MAJOR, 'linux-arm64'], capture_output=True, text=True, check=True).stdout.strip()


def guest_command(node, options):
    # The random seed pins the address of the code, so that two runs can be matched.
    flags = ['--random-seed=7', '--no-liftoff', '--print-wasm-code']
    if NODE_MAJOR == '20':
        flags.append('--experimental-wasm-relaxed-simd')
    script = os.path.join(HERE, 'run-kernel.mjs')
    return [node, *flags, script, options.wasm, options.function, *options.numbers]


def code_range(command):
    """The Node's version and where V8 put the module's code: runs the program once and reads V8's listing."""
    run = subprocess.run(command, capture_output=True, text=True, errors='replace')
    if 'RESULT ' not in run.stdout:
        sys.exit('the kernel did not run:\n' + run.stdout[-800:] + run.stderr[-1500:])
    addresses = []
    inside = False
    for line in run.stdout.splitlines():
        if line.startswith('Instructions'):
            inside = True
        elif inside and not line.strip():
            inside = False
        elif inside and (match := re.match(r'0x([0-9a-f]+)\s+[0-9a-f]+\s+[0-9a-f]{8}\s', line)):
            addresses.append(int(match[1], 16))
    version = re.search(r'RESULT (\S+)', run.stdout)[1]
    return version, min(addresses), max(addresses) + 4


class Trace:
    """What was executed within an address range, block by block."""

    def __init__(self, qemu, guest, low, high, keep=400_000):
        self.words = {}  # address -> instruction word
        self.blocks = {}  # start of a block -> addresses in it
        self.visits = collections.Counter()  # start of a block -> times executed
        self.order = []  # the first `keep` visits
        log = ['-d', 'in_asm,exec,nochain', '-dfilter', f'{low:#x}+{high - low:#x}']
        process = subprocess.Popen([qemu[0], *log, *qemu[1:], *guest], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, errors='replace')
        block = None
        for line in process.stderr:
            if line.startswith('0x'):  # a translated instruction: "0xADDRESS:  WORD ..."
                address = int(line[2:line.index(':')], 16)
                if block is None:
                    block = address
                    self.blocks[block] = []
                self.blocks[block].append(address)
                self.words[address] = int(line.split()[1], 16)
            elif line.startswith('Trace'):  # "Trace 0: 0xHOST [FLAGS/ADDRESS/...]": a block is executed
                start = int(line.split('/')[1], 16)
                self.visits[start] += 1
                if len(self.order) < keep:
                    self.order.append(start)
                block = None
            elif line.startswith(('IN:', '---')):
                block = None
        process.wait()
        if not self.visits:
            sys.exit('nothing traced: did the code move between the two runs?')

    def executed(self):
        """Address -> times executed."""
        times = collections.Counter()
        for start, count in self.visits.items():
            for address in self.blocks[start]:
                times[address] += count
        return times

    def hot_loop(self):
        """The addresses that one turn of the hot loop executes, loops within it unrolled: the shortest path from a block
        back to itself that is most of what was executed. The innermost loop alone is not: what surrounds it counts as
        well, once for all of its turns."""
        size = {start: len(block) for start, block in self.blocks.items()}
        seen = sum(size[start] for start in self.order)
        candidates = {}  # blocks of one loop are visited equally often: one of them is enough
        for start in self.order:
            candidates.setdefault(self.visits[start], start)
        shares = []
        for head in candidates.values():
            path, times = self.commonest_path(head)
            length = sum(size[start] for start in path)
            shares.append((times * length / seen, length, path))
        enough = min(LOOP_SHARE, max(share for share, _, _ in shares))
        _, path = min((length, path) for share, length, path in shares if share >= enough)
        return [address for start in path for address in self.blocks[start]]

    def commonest_path(self, head):
        """The blocks from one visit of `head` to the next, and how often just these."""
        visits = [i for i, start in enumerate(self.order) if start == head]
        paths = collections.Counter(tuple(self.order[a:b]) for a, b in zip(visits, visits[1:]))
        return paths.most_common(1)[0] if paths else ((head,), 1)


def disassemble(llvm, trace):
    addresses = sorted(trace.words)
    source = '\n'.join(' '.join(f'{byte:#04x}' for byte in trace.words[a].to_bytes(4, 'little')) for a in addresses)
    run = subprocess.run([llvm + '/llvm-mc', '-triple=aarch64', '-mattr=+v8.6a,+dotprod,+fullfp16,+i8mm,+bf16',
                          '--disassemble'], input=source, capture_output=True, text=True)
    lines = [line.strip().replace('\t', ' ') for line in run.stdout.splitlines()]
    lines = [line for line in lines if line and not line.startswith('.')]
    assert len(lines) == len(addresses), 'llvm-mc skipped an instruction'
    return dict(zip(addresses, lines))


def kind_of(text):
    mnemonic = text.split()[0]
    if mnemonic in ('sdot', 'udot', 'smmla'):
        return mnemonic
    if re.search(r'\bv\d+\.|\bq\d+\b', text):
        return {'ld': 'vector load', 'st': 'vector store'}.get(mnemonic[:2], 'vector other')
    if mnemonic.split('.')[0] in ('b', 'bl', 'br', 'blr', 'cbz', 'cbnz', 'tbz', 'tbnz', 'ret'):
        return 'branch'
    return 'scalar'


def predict(llvm, loop, model):
    """Cycles that llvm-mca gives one turn of the loop."""
    # Branch targets are meaningless out of context.
    source = '\n'.join(re.sub(r'^(b|b\.\w+|bl|cbn?z|tbn?z)(\s.*?)#-?\w+$', r'\1\2#0', text) for text in loop) + '\n'
    run = subprocess.run([llvm + '/llvm-mca', '-mtriple=aarch64', '-mcpu=' + model,
                          '-mattr=+dotprod,+i8mm,+fullfp16', '-iterations=200'],
                         input=source, capture_output=True, text=True)
    match = re.search(r'Total Cycles:\s+(\d+)', run.stdout)
    if not match:
        return None
    return max(int(match[1]) / 200, len(loop) / DECODE_WIDTH.get(model, 8))


def main():
    options = parse_arguments()
    llvm = find_llvm()
    guest = guest_command(find_node(), options)
    qemu = [QEMU, '-cpu', options.cpu, '-L', SYSROOT]
    version, low, high = code_range([*qemu, *guest])
    trace = Trace(qemu, guest, low, high)

    executed = trace.executed()
    total = sum(executed.values())
    text = disassemble(llvm, trace)
    kinds = collections.Counter()
    multiplications = collections.Counter()
    for address, count in executed.items():
        kinds[kind_of(text[address])] += count
        if MULTIPLICATION.match(text[address]):
            multiplications[text[address].split()[0]] += count
    addresses = trace.hot_loop()
    loop = [text[address] for address in addresses]
    turns = total / len(loop)

    report = {'function': options.function, 'node': version, 'cpu': options.cpu, 'instructions': total,
              'kinds': dict(kinds), 'multiplications': dict(multiplications), 'loop': {'instructions': len(loop), 'turns': turns}}
    if options.macs:
        report['instructionsPer32Weights'] = 32 * total / options.macs
    old_core = options.cpu in ('cortex-a72', 'cortex-a57')
    models = options.models or ('cortex-a72' if old_core else 'neoverse-n1,neoverse-v1,neoverse-v2')
    report['predicted'] = {}
    for model in models.split(','):
        cycles = predict(llvm, loop, model)
        # What is outside of the loop is taken to need as many cycles for an instruction.
        rate = options.macs / turns * options.ghz / cycles if options.macs and cycles else None
        report['predicted'][model] = {'cyclesPerTurn': cycles, 'cycles': cycles and cycles * turns, 'gmacs': rate}

    if options.json:
        print(json.dumps(report))
    else:
        show(report, options)
    if options.listing:
        for address, line in zip(addresses, loop):
            print(f'  {executed[address]:9d}  {line}')

    failures = []
    if options.assert_sdot and not kinds['sdot']:
        failures.append('no SDOT executed')
    if options.assert_no_sdot and kinds['sdot']:
        failures.append('SDOT executed')
    if options.max_insns and total > options.max_insns:
        failures.append(f'{total} instructions, more than {options.max_insns}')
    if failures:
        sys.exit('FAIL ' + '; '.join(failures))


def show(report, options):
    print(f"{report['function']}, Node {report['node']}, {report['cpu']}: {report['instructions']} instructions")
    print('  ' + ', '.join(f'{kind} {count}' for kind, count in sorted(report['kinds'].items())))
    print(f"  hot loop: {report['loop']['instructions']} instructions, all are as many as {report['loop']['turns']:.0f} turns of it")
    if options.macs:
        print(f"  {report['instructionsPer32Weights']:.2f} instructions per 32 weights")
    for model, figures in report['predicted'].items():
        if figures['cyclesPerTurn'] is None:
            print(f'  PREDICTED {model}: this llvm-mca does not know it')
            continue
        rate = f", {figures['gmacs']:.1f} GMAC/s at {options.ghz} GHz" if figures['gmacs'] else ''
        print(f"  PREDICTED {model}: {figures['cyclesPerTurn']:.1f} cycles per turn{rate}")


main()
