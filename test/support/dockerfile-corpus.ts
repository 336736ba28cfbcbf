// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have variables of their own.
import type { ContextFile } from './build-context.ts';

/** A small Dockerfile that builders are to make the same image of. `BASE` stands for busybox. */
export interface CorpusCase {
  readonly name: string;
  readonly dockerfile: string;
  readonly files?: Readonly<Record<string, ContextFile>>;
  readonly args?: readonly string[];
  /** Paths where builders are known to differ, by a pattern. */
  readonly except?: RegExp;
  /** The file trees are not looked at. */
  readonly configOnly?: boolean;
}

const TREE: Readonly<Record<string, ContextFile>> = {
  'a.txt': 'a\n',
  'b.txt': 'b\n',
  'run.sh': { text: '#!/bin/sh\necho run\n', mode: 0o755 },
  'private.key': { text: 'k\n', mode: 0o600 },
  'dir/one.txt': 'one\n',
  'dir/two.md': 'two\n',
  'dir/sub/three.txt': 'three\n',
  'dir/sub/link': { link: '../one.txt' },
  'dir/empty/': '',
  'other/four.txt': 'four\n',
};

export const DOCKERFILE_CORPUS: readonly CorpusCase[] = [
  { name: 'from alone', dockerfile: 'FROM BASE' },
  { name: 'scratch with one file', dockerfile: 'FROM scratch\nCOPY a.txt /', files: TREE },
  {
    name: 'scratch with a static program',
    dockerfile:
      'FROM BASE AS b\nFROM scratch\nCOPY --from=b /bin/busybox /bin/busybox\nENTRYPOINT ["/bin/busybox"]',
  },
  { name: 'copy a file to a name', dockerfile: 'FROM BASE\nCOPY a.txt /srv/name', files: TREE },
  { name: 'copy a file into a folder', dockerfile: 'FROM BASE\nCOPY a.txt /srv/', files: TREE },
  { name: 'copy a file into a folder that is there', dockerfile: 'FROM BASE\nCOPY a.txt /tmp', files: TREE },
  { name: 'copy several files', dockerfile: 'FROM BASE\nCOPY a.txt b.txt run.sh /srv/', files: TREE },
  { name: 'copy a folder', dockerfile: 'FROM BASE\nCOPY dir /srv/dir', files: TREE },
  { name: 'copy a folder with slashes', dockerfile: 'FROM BASE\nCOPY dir/ /srv/dir/', files: TREE },
  { name: 'copy everything', dockerfile: 'FROM BASE\nWORKDIR /app\nCOPY . .', files: TREE },
  { name: 'copy two folders into one', dockerfile: 'FROM BASE\nCOPY dir other /srv/', files: TREE },
  { name: 'copy by a pattern', dockerfile: 'FROM BASE\nCOPY *.txt /srv/', files: TREE },
  { name: 'copy by a pattern within folders', dockerfile: 'FROM BASE\nCOPY d*/*.txt /srv/', files: TREE },
  { name: 'copy by classes of characters', dockerfile: 'FROM BASE\nCOPY [ab].t?t /srv/', files: TREE },
  {
    name: 'copy in the exec form',
    dockerfile: 'FROM BASE\nCOPY ["a file", "/srv/to here/"]',
    files: { 'a file': 'x' },
  },
  { name: 'copy keeps modes', dockerfile: 'FROM BASE\nCOPY run.sh private.key /srv/', files: TREE },
  { name: 'copy with chmod', dockerfile: 'FROM BASE\nCOPY --chmod=0640 a.txt /srv/x', files: TREE },
  {
    name: 'copy with chown by number',
    dockerfile: 'FROM BASE\nCOPY --chown=1000:2000 dir /srv/dir',
    files: TREE,
  },
  {
    name: 'copy with chown by name',
    dockerfile: 'FROM BASE\nRUN echo "app:x:123:456::/:/bin/sh" >> /etc/passwd\nCOPY --chown=app a.txt /x',
    files: TREE,
  },
  { name: 'copy over a file', dockerfile: 'FROM BASE\nCOPY a.txt /x\nCOPY b.txt /x', files: TREE },
  {
    name: 'copy follows a link in the image',
    dockerfile: 'FROM BASE\nRUN mkdir /real && ln -s real /link\nCOPY a.txt /link/',
    files: TREE,
  },
  { name: 'copy to a relative path', dockerfile: 'FROM BASE\nWORKDIR /a/b\nCOPY a.txt ./c/', files: TREE },
  {
    name: 'copy of a link that is named',
    dockerfile: 'FROM BASE\nCOPY link /x',
    files: { file: 'f', link: { link: 'file' } },
  },
  {
    name: 'copy from a stage by name',
    dockerfile:
      'FROM BASE AS one\nRUN mkdir /out && echo hi > /out/f && chmod 600 /out/f\nFROM BASE\nCOPY --from=one /out /in',
  },
  {
    name: 'copy from a stage by number',
    dockerfile: 'FROM BASE\nRUN echo hi > /f\nFROM BASE\nCOPY --from=0 /f /g',
  },
  { name: 'copy from an image', dockerfile: 'FROM scratch\nCOPY --from=BASE /etc/passwd /p' },
  {
    name: 'copy a link from a stage',
    dockerfile:
      'FROM BASE AS one\nRUN mkdir /o && echo x > /o/f && ln -s f /o/l\nFROM BASE\nCOPY --from=one /o/ /p/',
  },
  {
    name: 'a stage on a stage',
    dockerfile:
      'FROM BASE AS one\nENV A=1\nRUN echo x > /one\nFROM one AS two\nRUN echo $A > /two\nFROM two\nRUN cat /one /two > /three',
  },
  {
    name: 'a stage that is not needed',
    dockerfile: 'FROM BASE AS no\nRUN echo no > /no\nFROM BASE\nRUN echo yes > /yes',
  },
  {
    name: 'a target',
    dockerfile: 'FROM BASE AS one\nRUN echo 1 > /one\nFROM BASE AS two\nRUN echo 2 > /two',
    args: ['--target', 'one'],
  },
  { name: 'add a plain file', dockerfile: 'FROM BASE\nADD plain /srv/', files: { plain: 'no archive' } },
  {
    name: 'add archives',
    dockerfile: 'FROM BASE\nADD a.tar b.tar.gz c.tar.xz d.tar.bz2 /srv/\nADD --chown=3:4 a.tar /own/',
    files: {
      'a.tar': { tar: 'none' },
      'b.tar.gz': { tar: 'gzip' },
      'c.tar.xz': { tar: 'xz' },
      'd.tar.bz2': { tar: 'bzip2' },
    },
  },
  { name: 'run in shell form', dockerfile: 'FROM BASE\nRUN echo "a  b" > /x; echo $HOME >> /x' },
  { name: 'run in exec form', dockerfile: 'FROM BASE\nRUN ["/bin/sh", "-c", "echo \\"quoted\\" > /x"]' },
  {
    name: 'run over several lines',
    dockerfile:
      'FROM BASE\nRUN echo one > /x && \\\n    # a comment\n\n    echo two >> /x && \\\n    echo three >> /x',
  },
  {
    name: 'run removes files of the base',
    dockerfile: 'FROM BASE\nRUN rm /etc/group && rm -r /bin/ls && mkdir -p /root && rmdir /root',
  },
  {
    name: 'run replaces a folder',
    dockerfile: 'FROM BASE\nRUN mkdir /d && echo 1 > /d/1\nRUN rm -r /d && mkdir /d && echo 2 > /d/2',
  },
  {
    name: 'run makes links, fifos and modes',
    dockerfile:
      'FROM BASE\nRUN ln -s /etc /l && mkfifo /p && touch /s && chmod 4755 /s && mkdir -m 1777 /t && chown 5:6 /t',
  },
  { name: 'run makes hard links', dockerfile: 'FROM BASE\nRUN echo x > /h1 && ln /h1 /h2' },
  {
    name: 'run in a workdir as a user',
    dockerfile: 'FROM BASE\nRUN mkdir /w && chown 7:8 /w\nUSER 7:8\nWORKDIR /w\nRUN touch f && id -u > id',
  },
  { name: 'run appends in a later layer', dockerfile: 'FROM BASE\nRUN echo 1 > /x\nRUN echo 2 >> /x' },
  { name: 'run with a heredoc', dockerfile: 'FROM BASE\nRUN <<EOF\necho one > /x\necho two >> /x\nEOF' },
  { name: 'run that writes nothing', dockerfile: 'FROM BASE\nRUN true' },
  {
    name: 'run with a cache mount',
    dockerfile: 'FROM BASE\nRUN --mount=type=cache,target=/var/c echo x > /var/c/f; echo y > /y',
    except: /^var\/c$/,
  },
  {
    name: 'run with a tmpfs mount',
    dockerfile: 'FROM BASE\nRUN --mount=type=tmpfs,target=/scratch echo x > /scratch/f; echo y > /y',
    except: /^scratch$/,
  },
  {
    name: 'run with a bind of the context',
    dockerfile: 'FROM BASE\nRUN --mount=type=bind,source=a.txt,target=/in.txt cat /in.txt > /out.txt',
    files: TREE,
    except: /^in.txt$/,
  },
  {
    name: 'run with a bind of a stage',
    dockerfile:
      'FROM BASE AS one\nRUN echo s > /s\nFROM BASE\nRUN --mount=type=bind,from=one,source=/s,target=/in cat /in > /out',
    except: /^in$/,
  },
  {
    name: 'another shell',
    dockerfile: 'FROM BASE\nSHELL ["/bin/sh", "-e", "-c"]\nRUN echo $0 > /x',
  },
  {
    name: 'env in its forms',
    dockerfile:
      'FROM BASE\nENV A=1 B="two words" C=three\\ words\nENV D old form  with spaces\nENV E="$A-$B" F=\'$A\' PATH=/x:$PATH\nRUN env | grep -E "^[A-F]=" | sort > /env',
  },
  {
    name: 'env with modifiers',
    dockerfile: 'FROM BASE\nENV A=${X:-default} B=${PATH:+set} C=${NO:+no}\nRUN echo "$A $B $C" > /x',
  },
  { name: 'arg with a default', dockerfile: 'FROM BASE\nARG V=1\nRUN echo $V > /v\nENV W=$V' },
  {
    name: 'arg that is given',
    dockerfile: 'FROM BASE\nARG V=1\nRUN echo $V > /v',
    args: ['--build-arg', 'V=2'],
  },
  { name: 'arg before from', dockerfile: 'ARG V=outer\nFROM BASE\nARG V\nRUN echo "$V" > /v' },
  { name: 'arg that env hides', dockerfile: 'FROM BASE\nARG V=arg\nENV V=env\nRUN echo $V > /v' },
  { name: 'arg in a copy', dockerfile: 'FROM BASE\nARG F=a.txt\nARG TO=/srv\nCOPY $F ${TO}/x', files: TREE },
  {
    name: 'configuration of all kinds',
    dockerfile:
      'FROM BASE\nLABEL a=1 b="two words"\nLABEL c.d=e\nEXPOSE 80 443/tcp 53/udp\nVOLUME /data /more\nUSER 1000\nSTOPSIGNAL SIGQUIT\nCMD ["a", "b"]\nENTRYPOINT ["/e"]\nMAINTAINER somebody',
    // The container that shows the tree has its volumes there.
    except: /^(data|more)$/,
  },
  {
    name: 'entrypoint takes the command of the base away',
    dockerfile: 'FROM BASE AS one\nCMD ["base"]\nFROM one\nENTRYPOINT ["e"]',
  },
  { name: 'command after entrypoint', dockerfile: 'FROM BASE\nENTRYPOINT ["e"]\nCMD ["c"]' },
  { name: 'command in shell form', dockerfile: 'FROM BASE\nCMD echo "a b" $HOME\nENTRYPOINT exec top -b' },
  {
    name: 'health check',
    dockerfile:
      'FROM BASE\nHEALTHCHECK --interval=5s --timeout=3s --start-period=1m --retries=4 CMD wget -q localhost || exit 1',
  },
  { name: 'no health check', dockerfile: 'FROM BASE\nHEALTHCHECK NONE' },
  {
    name: 'volume before files',
    dockerfile: 'FROM BASE\nRUN mkdir /data && echo x > /data/x\nVOLUME ["/data"]',
  },
  { name: 'workdirs', dockerfile: 'FROM BASE\nWORKDIR /a\nWORKDIR b/c\nWORKDIR ../d\nRUN pwd > pwd' },
  { name: 'workdir with a variable', dockerfile: 'FROM BASE\nENV D=/x/y\nWORKDIR ${D}/z\nRUN touch here' },
  {
    name: 'onbuild is kept for children',
    dockerfile: 'FROM BASE\nONBUILD RUN echo x > /x\nONBUILD COPY . /app',
    configOnly: true,
  },
  {
    name: 'labels of the command line',
    dockerfile: 'FROM BASE\nLABEL a=file b=file',
    args: ['--label', 'a=line', '--label', 'c=line'],
  },
  {
    name: 'another escape',
    dockerfile: '# escape=`\nFROM BASE\nRUN echo one > /x && `\n    echo two >> /x\nENV P="c:\\dir"',
  },
  {
    name: 'lower case and comments',
    dockerfile: '# first\n  # indented\nfrom BASE as one\nrun echo x > /x\nFrom one\ncopy --from=one /x /y',
  },
  {
    name: 'ignored files',
    dockerfile: 'FROM BASE\nCOPY . /app',
    files: {
      ...TREE,
      '.dockerignore': '# none\n*.txt\n!b.txt\ndir/sub\n**/*.md\n.dockerignore\nDockerfile\n',
    },
  },
  {
    name: 'ignored but for one',
    dockerfile: 'FROM BASE\nCOPY . /app',
    files: { ...TREE, '.dockerignore': '*\n!dir\ndir/sub\n!run.sh\n' },
  },
  {
    name: 'a program as projects build theirs',
    dockerfile:
      'ARG BASE_TAG=1\nFROM BASE AS build\nWORKDIR /src\nCOPY package.json package-lock.json* ./\nRUN cat package.json > deps\nCOPY . .\nRUN mkdir dist && cat deps main.js > dist/app.js && rm -rf src\n\nFROM BASE\nENV NODE_ENV=production PORT=8080\nRUN echo "app:x:1500:1500::/app:/bin/sh" >> /etc/passwd\nWORKDIR /app\nCOPY --from=build --chown=1500:1500 /src/dist ./\nUSER app\nEXPOSE 8080\nHEALTHCHECK CMD true\nCMD ["sh", "app.js"]',
    files: { 'package.json': '{}\n', 'main.js': 'echo $PORT\n', 'src/x.js': 'x\n' },
  },
];
