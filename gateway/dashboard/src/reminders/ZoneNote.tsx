import { useZone } from '../shell/me';
import { date } from '../time/format';
import { deviceZone, fromInput, sameClock } from '../time/zone';
import { t } from '../words';

const city = (zone: string) => (zone.split('/').at(-1) ?? zone).replaceAll('_', ' ');

/** The same moment on the visitor's own clock, where it differs from the workspace's. */
export function ZoneNote({ at }: { at: string }) {
  const zone = useZone();
  const own = deviceZone();
  const instant = at ? fromInput(at, zone) : Number.NaN;
  if (Number.isNaN(instant) || sameClock(zone, own, instant)) return null;
  return (
    <>
      {t('zone.both', {
        zone: city(zone),
        own: city(own),
        time: date(instant, { weekday: 'short', hour: '2-digit', minute: '2-digit' }, own),
      })}
    </>
  );
}
