import { hostname } from 'node:os';
import { readVersion } from '../files/version.ts';
import { ConfigError } from '../settings/config-error.ts';
import type { Setting } from '../settings/settings.ts';
import { samplerOf } from './sampler.ts';
import { installTracer, type Tracer } from './trace.ts';

/** The settings of traces, the same for both programs; the variables are those of OpenTelemetry. */
export const TRACE_SETTINGS = {
  otlpEndpoint: {
    kind: 'text',
    option: 'otlp-endpoint',
    variable: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    placeholder: 'URL',
    help: 'send traces to this OpenTelemetry collector, such as http://collector:4318, as JSON by HTTP',
    usual: 'off',
    isSecret: 'url',
  },
  otlpHeaders: {
    kind: 'text',
    option: 'otlp-headers',
    variable: 'OTEL_EXPORTER_OTLP_HEADERS',
    placeholder: 'LIST',
    help: 'headers of requests to the collector, as NAME=VALUE,NAME=VALUE; set secrets by the variable, since everybody on the machine can read a command line',
    usual: 'none',
    isSecret: 'all',
  },
  traceService: {
    kind: 'text',
    option: 'trace-service',
    variable: 'OTEL_SERVICE_NAME',
    placeholder: 'NAME',
    help: 'name of this program in traces',
    usual: 'the name of the program',
  },
  traceSampler: {
    kind: 'text',
    option: 'trace-sampler',
    variable: 'OTEL_TRACES_SAMPLER',
    placeholder: 'NAME',
    help: 'which traces are sent: always_on, always_off, traceidratio, or these with parentbased_ in front, which follow the caller',
    usual: 'parentbased_always_on',
  },
  traceSamplerArg: {
    kind: 'text',
    option: 'trace-sampler-arg',
    variable: 'OTEL_TRACES_SAMPLER_ARG',
    placeholder: 'NUMBER',
    help: 'share of traces for traceidratio, 0 to 1',
    usual: '1',
  },
} as const satisfies Readonly<Record<string, Setting>>;

/** Where traces go, and which. */
export interface TraceConfig {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly service?: string;
  readonly sampler?: string;
  readonly samplerArg?: string;
}

/** Reads the settings of traces; undefined: off. Throws ConfigError. */
export function readTraceConfig(
  values: { readonly [Key in keyof typeof TRACE_SETTINGS]?: string | undefined },
): TraceConfig | undefined {
  const { otlpEndpoint = '', otlpHeaders = '', traceService, traceSampler, traceSamplerArg } = values;
  if (otlpEndpoint === '' || otlpEndpoint === 'off') return undefined;
  const base = URL.parse(otlpEndpoint.endsWith('/') ? otlpEndpoint : `${otlpEndpoint}/`);
  if (base === null || !/^https?:$/.test(base.protocol)) {
    throw new ConfigError('--otlp-endpoint is not a URL: write http://HOST:4318');
  }
  const headers: Record<string, string> = {};
  for (const pair of otlpHeaders.split(',').filter((text) => text.trim() !== '')) {
    const [name = '', ...value] = pair.split('=');
    if (!/^[\w.-]+$/.test(name.trim()) || value.length === 0) {
      throw new ConfigError('--otlp-headers cannot be read: write NAME=VALUE,NAME=VALUE');
    }
    headers[name.trim().toLowerCase()] = decoded(value.join('=').trim());
  }
  samplerOf(traceSampler, traceSamplerArg);
  return {
    url: new URL('v1/traces', base),
    headers,
    ...(traceService && { service: traceService }),
    ...(traceSampler && { sampler: traceSampler }),
    ...(traceSamplerArg && { samplerArg: traceSamplerArg }),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Starts to send traces of this process. Its code is loaded only now. */
export async function startTracing(
  { url, headers, service, sampler, samplerArg }: TraceConfig,
  program: string,
  complain: (sentence: string) => void,
): Promise<Tracer> {
  const { openTelemetry } = await import('./open-telemetry.ts');
  const resource = {
    'service.name': service ?? program,
    'service.version': await readVersion(),
    'host.name': hostname(),
    'process.pid': process.pid,
    'telemetry.sdk.language': 'nodejs',
  };
  const tracer = openTelemetry(samplerOf(sampler, samplerArg), { url, headers, resource, complain });
  installTracer(tracer);
  return tracer;
}
