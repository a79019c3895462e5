/** Ctrl-C and readers that go away. */
import { expect, test } from 'vitest';
import { MODEL, run } from './run.ts';

const ENDLESS = ['generate', '-m', MODEL, '-p', 'Once', '--ignore-eos', '--on-full', 'shift'];

// Windows has no signals: a child there is killed at once.
const posix = test.skipIf(process.platform === 'win32');

posix('Ctrl-C in the middle: what came is there, exit code 130, no message', async () => {
  let sent = false;
  const result = await run(ENDLESS, {
    onOutput: (child, stdout) => {
      if (!sent && stdout.length > 20) sent = child.kill('SIGINT');
    },
  });
  expect(result.code).toBe(130);
  expect(result.stdout.length).toBeGreaterThan(20);
  expect(result.stderr).toBe('');
});

posix('Ctrl-C with --json: still one document', async () => {
  let sent = false;
  const result = await run([...ENDLESS, '--json', '--stream'], {
    onOutput: (child) => {
      if (!sent) sent = child.kill('SIGINT');
    },
  });
  expect(result.code).toBe(130);
  const last = JSON.parse(result.stdout.trimEnd().split('\n').at(-1)!) as { reason: string; ids: number[] };
  expect(last.reason).toBe('interrupted');
  expect(last.ids.length).toBeGreaterThan(0);
});

posix('the chat: the first Ctrl-C stops the answer, and the next turn is answered', async () => {
  let sent = false;
  const args = ['chat', MODEL, '-i', '--ignore-eos', '--temp', '0'];
  const result = await run(args, {
    input: 'Tell me a story.\n/stats\n/exit\n',
    onOutput: (child, stdout) => {
      if (!sent && stdout.length > 20) sent = child.kill('SIGINT');
    },
  });
  expect(result.code).toBe(0);
  expect(result.stderr).toMatch(/\[\d+ tokens .*interrupted\]/);
  expect(result.stderr).toMatch(/messages +2/);
});

posix('an idle chat: Ctrl-C twice leaves with 130', async () => {
  let sent = 0;
  const result = await run(['chat', MODEL, '-i'], {
    open: true,
    onOutput: (child, _, stderr) => {
      const wanted = stderr.includes('Ctrl-C again') ? 2 : stderr.includes('/help lists') ? 1 : 0;
      if (sent < wanted) sent += child.kill('SIGINT') ? 1 : 0;
    },
  });
  expect(result).toMatchObject({ code: 130, stdout: '' });
});

test('a reader that goes away (| head): no stack, no failure', async () => {
  const result = await run(ENDLESS, {
    onOutput: (child) => {
      child.stdout!.destroy();
    },
  });
  expect(result).toMatchObject({ code: 0, stderr: '' });
});
