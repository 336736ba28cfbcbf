import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILES_PER_FOLDER = 500;

/** 20 steps over a context of 5,000 files; `src/main.txt` is read by the 18th. */
export async function writeTwentySteps(folder: string, base: string): Promise<void> {
  await writeFiles(folder, 5000, 400);
  await mkdir(join(folder, 'src'));
  await writeFile(join(folder, 'src/main.txt'), 'first\n');
  const lines = [`FROM ${base}`, 'WORKDIR /app', 'ENV MODE=production'];
  for (let part = 0; part < 7; part += 1) {
    lines.push(`COPY folder-${part} folder-${part}/`, `RUN ls folder-${part} | wc -l > count-${part}`);
  }
  lines.push('COPY src src/', 'RUN cat src/main.txt > built', 'CMD ["cat", "built"]');
  await writeFile(join(folder, 'Dockerfile'), `${lines.join('\n')}\n`);
}

/** Changes the file that the 18th step of writeTwentySteps reads. */
export async function changeSource(folder: string, text: string): Promise<void> {
  await writeFile(join(folder, 'src/main.txt'), text);
}

/** 10 steps; three stages that wait for nobody, and a last one that takes something of each. */
export async function writeThreeStages(folder: string, base: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'input'), 'x'.repeat(1000));
  const work = 'i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done; echo $i > /result';
  const stage = (name: string) => [`FROM ${base} AS ${name}`, 'COPY input /input', `RUN ${work}`];
  const last = [
    `FROM ${base}`,
    ...['a', 'b', 'c'].map((name) => `COPY --from=${name} /result /result-${name}`),
  ];
  const lines = [...stage('a'), ...stage('b'), ...stage('c'), ...last, 'RUN cat /result-*'];
  await writeFile(join(folder, 'Dockerfile'), `${lines.join('\n')}\n`);
}

/** One COPY of many files. */
export async function writeManyFiles(
  folder: string,
  base: string,
  files: number,
  size: number,
): Promise<void> {
  await writeFiles(join(folder, 'all'), files, size);
  await writeFile(join(folder, 'Dockerfile'), `FROM ${base}\nCOPY all /all\n`);
}

async function writeFiles(folder: string, count: number, size: number): Promise<void> {
  for (let begin = 0; begin < count; begin += FILES_PER_FOLDER) {
    const path = join(folder, `folder-${begin / FILES_PER_FOLDER}`);
    await mkdir(path, { recursive: true });
    const files = Array.from(
      { length: Math.min(FILES_PER_FOLDER, count - begin) },
      (_, file) => begin + file,
    );
    await Promise.all(files.map((file) => writeFile(join(path, `file-${file}`), content(file, size))));
  }
}

/** Compresses as source text does, and no two files are the same. */
function content(file: number, size: number): string {
  const line = `${file} ${Math.imul(file + 1, 2654435761) >>> 0} the quick brown fox jumps over the lazy dog\n`;
  return line.repeat(Math.ceil(size / line.length)).slice(0, size);
}
