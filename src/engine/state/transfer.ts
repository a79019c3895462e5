/** A sequence to a state file and back: see format.ts. */
import { AbortedError, ContextOverflowError, StateError } from '../../errors.ts';
import type { ByteSink } from '../../gguf/sinks.ts';
import type { ByteSource } from '../../gguf/types.ts';
import { PAGE } from '../../kernels/control.ts';
import type { KvSequence } from '../kv-cache.ts';
import {
  checkShape,
  damaged,
  DIGEST,
  DigestChain,
  parseHeader,
  PREFIX,
  readPrefix,
  sameBytes,
  writePrefix,
  type StateHeader,
  type StateShape,
} from './format.ts';
import type { PageStore } from './pages.ts';

/** The model that a state belongs to, as this process runs it. */
export interface StateModel extends StateShape {
  model: string;
  vocabulary: number;
  pages: PageStore;
}

/** Positions of page `page` that hold tokens. */
const usedOf = (tokens: number, page: number) => Math.min(PAGE, tokens - page * PAGE);

/** Writes all that `sequence` holds; the sink is the caller's, to close or to abort. */
export async function writeState(
  sink: ByteSink,
  sequence: KvSequence,
  { pages, fingerprint, kvType, layers, pageBytes, model }: StateModel,
  { extra, signal }: { extra?: unknown; signal?: AbortSignal },
): Promise<void> {
  const tokens = Uint32Array.from(sequence.tokens);
  const shape = { fingerprint, kvType, layers, pageBytes };
  const fields: StateHeader = { ...shape, model, tokens: tokens.length, extra };
  const header = new TextEncoder().encode(JSON.stringify(fields));
  const chain = new DigestChain();
  const block = async (bytes: Uint8Array) => {
    await sink.write(bytes);
    await sink.write(await chain.next(bytes));
  };
  await sink.write(writePrefix(header.length));
  await block(header);
  await block(new Uint8Array(tokens.buffer));
  for (let page = 0; page * PAGE < tokens.length; page++) {
    if (signal?.aborted) throw new AbortedError();
    await block(pages.read(sequence.pages[page]!, usedOf(tokens.length, page)));
  }
}

/** Where the blocks behind the header lie, and their digests. */
class BlockReader {
  private readonly source: ByteSource;
  private readonly chain = new DigestChain();
  private at = PREFIX;

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** The next block of `length` bytes, checked. */
  async next(length: number, what: string): Promise<Uint8Array> {
    const bytes = await this.source.read(this.at, length + DIGEST);
    this.at += bytes.length;
    const block = bytes.subarray(0, length);
    if (!sameBytes(await this.chain.next(block), bytes.subarray(length))) {
      throw damaged(this.source.name, `${what} are not what was written`);
    }
    return block;
  }
}

/**
 * Brings back what writeState wrote, in place of what `sequence` holds. Returns the caller's part of the file.
 *
 * @throws StateError for a file that is damaged, of another model or another kind of cache; ContextOverflowError where
 *   it does not fit; the sequence is empty then, unless nothing had been read into it yet
 */
export async function readState(
  source: ByteSource,
  sequence: KvSequence,
  model: StateModel,
  signal?: AbortSignal,
): Promise<unknown> {
  const { name, size } = source;
  if (size < PREFIX) throw new StateError(`${name}: is not a saved state of nibble`);
  const headerBytes = readPrefix(await source.read(0, PREFIX), name);
  if (size < PREFIX + headerBytes + DIGEST) throw damaged(name, 'it ends inside its header');
  const blocks = new BlockReader(source);
  const header = parseHeader(await blocks.next(headerBytes, 'the bytes of its header'), name);
  checkShape(header, model, name);
  const { tokens } = header;
  const pages = Math.ceil(tokens / PAGE);
  const wanted = PREFIX + headerBytes + DIGEST + tokens * 4 + DIGEST + pages * (header.pageBytes + DIGEST);
  if (size !== wanted) throw damaged(name, `it has ${size} bytes and should have ${wanted}`);
  if (tokens > sequence.limit) {
    throw new ContextOverflowError(
      `${name}: holds ${tokens} tokens, the context ${sequence.limit}; use a larger --ctx-size`,
    );
  }
  const bytes = await blocks.next(tokens * 4, 'its tokens');
  const ids = [...new Uint32Array(Uint8Array.from(bytes).buffer)];
  if (ids.some((id) => id >= model.vocabulary)) throw damaged(name, 'a token is outside the vocabulary');
  sequence.truncate(0);
  try {
    sequence.reserve(tokens);
    for (let page = 0; page < pages; page++) {
      if (signal?.aborted) throw new AbortedError();
      model.pages.write(sequence.pages[page]!, await blocks.next(header.pageBytes, `its keys and values`));
    }
    sequence.append(ids);
  } catch (error) {
    sequence.truncate(0);
    throw error;
  }
  return header.extra;
}
