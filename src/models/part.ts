/**
 * A file on its way: bytes go to `FILE.part`, what they belong to into `FILE.part.json`. A later run, or a later
 * attempt, goes on from there if the sidecar still fits; `commit` checks size and sha256 and renames.
 */
import { createHash } from 'node:crypto';
import { open, rm, stat, type FileHandle } from 'node:fs/promises';
import { StoreError } from '../errors.ts';
import { hashInto, hasGgufMagic, readJson, replaceFile, writeError, writeJson } from './disk.ts';

/** What the bytes of a part file are the beginning of. */
export interface PartIdentity {
  url: string;
  etag?: string;
  size?: number;
  sha256?: string;
  /** See RemoteFile. */
  anyKind?: boolean;
}

export class PartFile {
  readonly target: string;
  private handle: FileHandle | undefined;
  private hash = createHash('sha256');
  private identity: PartIdentity;
  private length = 0;

  private constructor(target: string, identity: PartIdentity) {
    this.target = target;
    this.identity = identity;
  }

  /**
   * Opens `target`.part, keeping its bytes when the sidecar shows that they belong to the same content: the same
   * sha256, or, where that is unknown, the same URL (an ETag then has to confirm it: see `etag`).
   * `onHash` counts the bytes as they are hashed again.
   */
  static async open(
    target: string,
    wanted: PartIdentity,
    options: { onHash?: (bytes: number) => void; signal?: AbortSignal } = {},
  ): Promise<PartFile> {
    const part = new PartFile(target, wanted);
    const old = (await readJson(part.sidecar)) as Partial<PartIdentity> | undefined;
    const length = await stat(part.path).then(
      (status) => status.size,
      () => 0,
    );
    const known = old !== undefined && wanted.sha256 !== undefined && old.sha256 === wanted.sha256;
    const likely =
      old !== undefined &&
      wanted.sha256 === undefined &&
      old.url === wanted.url &&
      typeof old.etag === 'string';
    const fits = (known || likely) && length > 0 && (wanted.size === undefined || length <= wanted.size);
    if (fits) {
      part.identity = { ...wanted, ...(old.url === wanted.url && old.etag ? { etag: old.etag } : {}) };
      await hashInto(part.hash, part.path, length, options.onHash, options.signal);
      part.length = length;
    }
    try {
      part.handle = await open(part.path, fits ? 'r+' : 'w');
    } catch (error) {
      throw writeError(error, part.path);
    }
    try {
      await writeJson(part.sidecar, part.identity);
    } catch (error) {
      await part.handle.close();
      throw error;
    }
    return part;
  }

  get path(): string {
    return `${this.target}.part`;
  }

  /** Bytes that are there. */
  get bytes(): number {
    return this.length;
  }

  get etag(): string | undefined {
    return this.identity.etag;
  }

  /** Notes the ETag that the bytes from now on belong to. */
  async setEtag(etag: string | undefined): Promise<void> {
    if (etag === this.identity.etag) return;
    this.identity = { ...this.identity, etag };
    await writeJson(this.sidecar, this.identity);
  }

  /** Throws StoreError ERR_STORE_SPACE when the disk is full: the bytes so far stay. */
  async append(chunk: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < chunk.length;) {
        const { bytesWritten } = await this.handle!.write(
          chunk,
          done,
          chunk.length - done,
          this.length + done,
        );
        done += bytesWritten;
      }
    } catch (error) {
      throw writeError(error, this.path);
    }
    this.hash.update(chunk);
    this.length += chunk.length;
  }

  /** Starts over. */
  async truncate(): Promise<void> {
    await this.handle!.truncate(0);
    this.hash = createHash('sha256');
    this.length = 0;
  }

  /**
   * Checks and moves the file to its name. Throws StoreError ERR_STORE_CHECKSUM or ERR_STORE_CORRUPT, after
   * deleting what cannot be used.
   */
  async commit(): Promise<{ size: number; sha256: string; etag?: string }> {
    await this.handle!.sync().catch(() => undefined);
    await this.close();
    const sha256 = this.hash.digest('hex');
    const { size, sha256: wanted, etag } = this.identity;
    if (size !== undefined && size !== this.length) {
      await this.discard();
      throw new StoreError(
        'ERR_STORE_CORRUPT',
        `${this.target}: got ${this.length} bytes instead of ${size}`,
      );
    }
    if (wanted !== undefined && wanted !== sha256) {
      await this.discard();
      throw new StoreError(
        'ERR_STORE_CHECKSUM',
        `${this.target}: sha256 is ${sha256} instead of ${wanted}: the bytes were damaged or exchanged on the way`,
      );
    }
    if (!this.identity.anyKind && !(await hasGgufMagic(this.path))) {
      await this.discard();
      throw new StoreError('ERR_STORE_CORRUPT', `what ${this.identity.url} sent is not a GGUF file`);
    }
    await replaceFile(this.path, this.target);
    await rm(this.sidecar, { force: true });
    return { size: this.length, sha256, ...(etag === undefined ? {} : { etag }) };
  }

  /** Keeps the bytes for a later resume. */
  async close(): Promise<void> {
    const handle = this.handle;
    this.handle = undefined;
    await handle?.close();
  }

  private async discard(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(this.sidecar, { force: true });
  }

  private get sidecar(): string {
    return `${this.target}.part.json`;
  }
}
