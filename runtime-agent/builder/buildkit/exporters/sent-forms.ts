import type { ImageReference } from '../../../../oci/reference.ts';
import type { SentForm } from '../../builder.ts';
import type { ExporterPlan } from './exporter-options.ts';

/** The forms that the outputs of a build want layers in, so that these are made while it runs. */
export function sentForms(plans: readonly ExporterPlan[]): readonly SentForm[] {
  return plans.flatMap((plan): readonly SentForm[] => {
    if (plan.kind !== 'image' && plan.kind !== 'archive') return [];
    if (plan.compression === undefined) {
      return plan.kind === 'image' && plan.isPushed
        ? [{ compression: { kind: 'gzip' }, keeps: 'all', isRead: false }]
        : [];
    }
    const { compression, forces } = plan.compression;
    if (compression.kind === 'uncompressed') return [];
    return [{ compression, keeps: forces ? 'none' : 'base', isRead: plan.kind === 'archive' }];
  });
}

/** The names that the client pushes next. */
export function pushedNames(plans: readonly ExporterPlan[]): readonly ImageReference[] {
  return plans.flatMap((plan) => (plan.kind === 'image' && plan.isPushed ? plan.names : []));
}
