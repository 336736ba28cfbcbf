import { stripTypeScriptTypes } from 'node:module';
import { type Node, parse } from 'acorn';
import { simple } from 'acorn-walk';
import { analyse } from 'scslre';

/** Methods that make a regular expression of a text that they are given. */
const MATCHING = ['match', 'matchAll', 'search'];
/** Objects of ours whose `search` looks for something else. */
const NOT_TEXTS = ['catalog.repositories', 'deps.registryQueries'];

/**
 * The regular expressions of a source that could take long over what a stranger sends, each as one sentence: those made while the
 * program runs, and literals in which backtracking is quadratic or worse.
 */
export function riskyExpressions(file: string, source: string): readonly string[] {
  const script = file.endsWith('.ts') ? stripTypeScriptTypes(source) : source;
  const tree = parse(script, {
    ecmaVersion: 'latest',
    sourceType: 'module',
    locations: true,
    allowHashBang: true,
  });
  const found: string[] = [];
  const tell = (node: Node, what: string) => found.push(`${file}:${node.loc?.start.line}: ${what}`);
  const text = (node: Node) => script.slice(node.start, node.end);
  const checkMade = (node: Node & { readonly callee: Node }) => {
    if (text(node.callee) === 'RegExp') {
      tell(node, 'makes a RegExp: use lib/pattern, whose matchers do not backtrack');
    }
  };
  simple(tree, {
    NewExpression: checkMade,
    CallExpression(node) {
      checkMade(node);
      const { callee } = node;
      if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return;
      const [pattern] = node.arguments;
      const isConstant =
        pattern === undefined || pattern.type === 'Literal' || /^[A-Z][A-Z0-9_]*$/.test(text(pattern));
      if (!MATCHING.includes(callee.property.name) || isConstant || NOT_TEXTS.includes(text(callee.object)))
        return;
      tell(node, `${callee.property.name}() makes a RegExp of a text: use lib/pattern`);
    },
    Literal(node) {
      if (!('regex' in node) || node.regex === undefined) return;
      const { pattern, flags } = node.regex;
      const isSticky = flags.includes('y');
      const reports = analyse({ source: pattern, flags }).reports.filter(
        ({ type }) => !isSticky || type !== 'Move',
      );
      for (const { exponential } of reports.slice(0, 1)) {
        tell(node, `/${pattern}/ may take ${exponential ? 'exponential' : 'quadratic'} time`);
      }
    },
  });
  return found;
}
