import { stripTypeScriptTypes } from 'node:module';
import { type Node, parse } from 'acorn';
import { simple } from 'acorn-walk';

/** Methods of answers that read a body of any length into memory. */
const WHOLE = ['json', 'text', 'arrayBuffer', 'blob', 'formData', 'toArray'];
/** Where all of a stream is what a program of the host's own, or the administrator, writes. */
const TRUSTED = [
  'runtime-agent/oci-runner/conmon.ts',
  'runtime-agent/oci-runner/runtime-commands.ts',
  'lib/linux/process/spawn-piped.ts',
  'server/cli/',
  // The body of a boundedFetch.
  'auth/jobs/issuer-keys.ts',
  // What this program has written there itself.
  'storage/blobs/s3/bucket-side-files.ts',
  'storage/blobs/s3/check-bucket.ts',
  // Small blobs, whose sizes the catalog has.
  'storage/backup/copy-content.ts',
];
/** Where a queue has no more than a tree has files. */
const ASKED_ONCE = ['runtime-agent/builder/buildkit/session/send-folder.ts'];
/** Streams whose length was looked at before. */
const BOUNDED = ['verifiedBlob'];

/** Where a source reads a stream of any length into memory, each as one sentence. */
export function wholeBodies(file: string, source: string): readonly string[] {
  if (TRUSTED.some((prefix) => file.startsWith(prefix))) return [];
  const script = stripTypeScriptTypes(source);
  const tree = parse(script, { ecmaVersion: 'latest', sourceType: 'module', locations: true });
  const text = (node: Node | undefined) => (node === undefined ? '' : script.slice(node.start, node.end));
  const found: string[] = [];
  const tell = (node: Node, what: string) => found.push(`${file}:${node.loc?.start.line}: ${what}`);
  simple(tree, {
    ImportDeclaration(node) {
      if (node.source.value === 'node:stream/consumers') {
        tell(node, 'node:stream/consumers reads without a limit: use lib/streams/read-at-most.ts');
      }
    },
    CallExpression(node) {
      const callee = text(node.callee);
      const [argument] = node.arguments;
      const method = node.callee.type === 'MemberExpression' ? text(node.callee.property) : '';
      if (WHOLE.includes(method) && argument === undefined) {
        tell(node, `${method}() reads without a limit: use lib/streams/read-at-most.ts`);
      }
      const isChecked = BOUNDED.some((name) => text(argument).startsWith(`await Array.fromAsync(${name}(`));
      if (callee === 'Buffer.concat' && !isChecked && text(argument).startsWith('await Array.fromAsync(')) {
        tell(node, 'a stream is read without a limit: use lib/streams/read-at-most.ts');
      }
      if (callee === 'createGrpcTransport' && !text(argument).includes('readMaxBytes')) {
        tell(node, 'messages of a gRPC client are bounded by readMaxBytes');
      }
      const isBounded = BOUNDED.some((name) => text(argument).startsWith(`${name}(`));
      if (
        callee === 'createAsyncQueue' &&
        !/\.(?:size|weight)\b/.test(script) &&
        !ASKED_ONCE.includes(file)
      ) {
        tell(node, 'nothing bounds what waits in this queue: look at its size or weight');
      }
      if (callee === 'Array.fromAsync' && !isBounded && /body|content|stream/i.test(text(argument))) {
        tell(node, 'a stream is read without a limit: use lib/streams/read-at-most.ts');
      }
    },
  });
  return found;
}
