/** Returns the names along a cycle, or undefined if there is none. Ignores edges to unknown names. */
export function findCycle(graph: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>();
  for (const start of graph.keys()) {
    // Depth-first without recursion: `path` is the path from start, with the next edge of each node.
    const path = [{ name: start, next: 0 }];
    const onPath = new Set(done.has(start) ? [] : [start]);
    while (onPath.size > 0) {
      const top = path.at(-1);
      if (top === undefined) break;
      const name = graph.get(top.name)?.[top.next];
      top.next += 1;
      if (name === undefined) {
        done.add(top.name);
        onPath.delete(top.name);
        path.pop();
      } else if (onPath.has(name)) {
        return path.map((step) => step.name).slice(path.findIndex((step) => step.name === name));
      } else if (graph.has(name) && !done.has(name)) {
        onPath.add(name);
        path.push({ name, next: 0 });
      }
    }
  }
  return undefined;
}
