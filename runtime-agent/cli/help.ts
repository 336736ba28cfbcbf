import { optionHelp, settingsHelp } from '../../lib/settings/describe-settings.ts';
import { AGENT_SETTINGS } from '../settings.ts';

/** `berth-agent --help`. */
export const HELP = `berth-agent answers the Docker Engine API and runs images as containers on this host.

Usage: berth-agent serve [options]
       berth-agent join URL TOKEN [--name NAME] [--label KEY=VALUE]… [--allow WORD]… [--force] [--data DIR]
                                               joins the fleet of a registry, also while the agent runs; "berth
                                               host token" prints the line. TOKEN is - for standard input,
                                               or absent when BERTH_JOIN_TOKEN_FILE names a file with it.
                                               WORD is one of privileged, host-network, host-pid, bind,
                                               device
       berth-agent leave [--data DIR]          leaves it; instances go on
       berth-agent doctor [--format table|json|jsonl] [options]
                                               lists what this host lacks, and the command that fixes it
       berth-agent reset [--yes]               lists bridges, packet filters and folders that killed agents
                                               left on this host; --yes removes them. Folders whose
                                               containers or proxy run are kept
       berth-agent support-bundle [--output FILE] [--log FILE] [options]
                                               writes a .tar.gz for those who help: version, settings, system,
                                               what doctor finds, metrics and the end of the log; no secrets
       berth-agent completion bash|zsh|fish    prints the script that completes these words in a shell

Options, and the environment variables that they win over. A variable that ends in _FILE, such as
BERTH_AGENT_HTTP_PROXY_FILE, names a file with the value.
${settingsHelp(AGENT_SETTINGS)}${optionHelp('--config FILE', `JSON object with the keys ${Object.keys(AGENT_SETTINGS).join(', ')}`)}
${optionHelp('-h, --help', 'print this')}${optionHelp('-v, --version', 'print the version')}
Use it with the docker command: docker -H unix:///run/berth-agent.sock run --rm IMAGE
`;
