import { stripTypeScriptTypes } from 'node:module';
import { type Node, type Property, parse } from 'acorn';
import { simple } from 'acorn-walk';
import { LONGEST_WAIT } from '../support/longest-wait.ts';

/** Functions of which a number among the arguments is how long they wait. */
const WAITING = /^(?:set)?timeout$|^(?:delay|sleep|end|closed)$|^wait|^until/i;
/** Fields, parameters and variables that hold how long something waits. */
const WAITS = /^timeout|TimeoutMs$|patience|^(?:deadline|within|until)|^MOST_MS$|TIMEOUT/;
/** Functions of node:test, whose `timeout` is a guard over many waits. */
const TESTS = /^(?:t\.)?(?:describe|it|test|suite|before|after|beforeEach|afterEach)$/;
/** Waits in texts that become programs of JavaScript. */
const IN_SCRIPTS = /\bAbortSignal\.timeout\((\d[\d_]*)\)/g;
/** Seconds in what shells, Python and docker are given. */
const IN_COMMANDS =
  /(?<=[\s'"`])timeout (\d+)s? |\btimeout=(\d+)(?=[,)])|'(?:-t|--time|--timeout|--wait-timeout)', '(\d+)'/g;

/** Where a source waits longer for one thing than LONGEST_WAIT without `longerWait`, each as one sentence. */
export function longWaits(file: string, source: string): readonly string[] {
  const script = file.endsWith('.py') ? '' : stripTypeScriptTypes(source);
  const tree = parse(script, { ecmaVersion: 'latest', sourceType: 'module', locations: true });
  const text = (node: Node) => script.slice(node.start, node.end);
  const found = new Set<string>();
  const tell = (line: number | undefined, ms: string) =>
    found.add(
      `${file}:${line}: waits ${ms}: use LONGEST_WAIT of test/support/longest-wait.ts, or longerWait() with the reason`,
    );
  const constants = new Map<string, Node>();
  const guards = new Set<Node>();
  const guardNames = new Set<string>();
  const fields: Property[] = [];
  const owner = new Map<Node, Node>();

  const milliseconds = (node: Node | null | undefined, depth = 0): number => {
    if (node === null || node === undefined || depth > 8) return Number.NaN;
    const inner = (child: Node) => milliseconds(child, depth + 1);
    if (node.type === 'Literal' && 'value' in node && typeof node.value === 'number') return node.value;
    if (node.type === 'Identifier' && 'name' in node) {
      const value = constants.get(String(node.name));
      return value === undefined ? Number.NaN : inner(value);
    }
    if (node.type === 'LogicalExpression' && 'right' in node) return inner(node.right as Node);
    if (node.type === 'BinaryExpression' && 'operator' in node && 'left' in node && 'right' in node) {
      const [left, right] = [inner(node.left as Node), inner(node.right as Node)];
      if (node.operator === '*') return left * right;
      // `Date.now() + 300_000` waits as long as what is added.
      if (node.operator === '+') return (left || 0) + (right || 0) || Number.NaN;
    }
    return Number.NaN;
  };
  const check = (node: Node | null | undefined) => {
    const ms = milliseconds(node);
    if (ms > LONGEST_WAIT) tell(node?.loc?.start.line, `${ms} ms`);
  };

  simple(tree, {
    VariableDeclarator(node) {
      if (node.id.type === 'Identifier' && node.init) constants.set(node.id.name, node.init);
    },
    CallExpression(node) {
      if (!TESTS.test(text(node.callee))) return;
      for (const argument of node.arguments) {
        guards.add(argument);
        if (argument.type === 'Identifier') guardNames.add(argument.name);
      }
    },
    ObjectExpression(node) {
      for (const property of node.properties) {
        if (property.type !== 'Property') continue;
        fields.push(property);
        owner.set(property, node);
      }
    },
  });
  for (const name of guardNames) {
    const value = constants.get(name);
    if (value) guards.add(value);
  }
  for (const property of fields) {
    const isGuard = text(property.key) === 'timeout' && guards.has(owner.get(property) as Node);
    if (WAITS.test(text(property.key)) && !isGuard) check(property.value);
  }
  simple(tree, {
    VariableDeclarator(node) {
      if (WAITS.test(text(node.id))) check(node.init);
    },
    AssignmentPattern(node) {
      if (WAITS.test(text(node.left))) check(node.right);
    },
    AssignmentExpression(node) {
      if (WAITS.test(text(node.left))) check(node.right);
    },
    CallExpression(node) {
      const name = text(node.callee).split('.').at(-1) ?? '';
      if (WAITING.test(name)) for (const argument of node.arguments) check(argument);
    },
  });
  for (const [pattern, unit] of [
    [IN_SCRIPTS, 1],
    [IN_COMMANDS, 1000],
  ] as const) {
    for (const match of source.matchAll(pattern)) {
      const number = match.slice(1).find((group) => group !== undefined);
      const ms = Number(number?.replaceAll('_', '')) * unit;
      if (ms > LONGEST_WAIT) tell(source.slice(0, match.index).split('\n').length, `${ms} ms`);
    }
  }
  return [...found];
}
