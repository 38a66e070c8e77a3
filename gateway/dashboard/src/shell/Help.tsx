import { Modal } from '../design/Modal';
import { Kbd } from '../design/Small';
import { type Key, t } from '../words';
import css from './help.module.css';
import { isMac } from './platform';

const MOD = isMac ? '⌘' : 'Ctrl';
const GROUPS: { title: Key; keys: [string, Key][] }[] = [
  {
    title: 'help.everywhere',
    keys: [
      [`${MOD} K`, 'help.palette'],
      ['/', 'help.palette'],
      ['N', 'lead.new'],
      [`${MOD} Z`, 'help.undo'],
      ['?', 'help.title'],
      ['Esc', 'close'],
    ],
  },
  {
    title: 'help.go',
    keys: [
      ['G D', 'nav.dashboard'],
      ['G L', 'nav.leads'],
      ['G P', 'nav.pipeline'],
      ['G R', 'nav.reminders'],
      ['G E', 'nav.reports'],
      ['G A', 'nav.activity'],
    ],
  },
  {
    title: 'help.lists',
    keys: [
      ['J', 'help.next'],
      ['K', 'help.previous'],
      ['Enter', 'help.openLead'],
      ['X', 'help.select'],
      ['S', 'help.stage'],
      ['A', 'help.assign'],
    ],
  },
  {
    title: 'help.chart',
    keys: [
      ['← →', 'help.chartRead'],
      ['Shift ← →', 'help.chartExtend'],
      ['Enter', 'help.chartApply'],
    ],
  },
];

export default function Help({ onClose }: { onClose: () => void }) {
  return (
    <Modal title={t('help.title')} sub={t('help.sub')} onClose={onClose} wide>
      <div className={css.groups}>
        {GROUPS.map((group) => (
          <section key={group.title}>
            <h3>{t(group.title)}</h3>
            <dl>
              {group.keys.map(([keys, what]) => (
                <div key={keys}>
                  <dt>{t(what)}</dt>
                  <dd>
                    {keys.split(' ').map((key) => (
                      <Kbd key={key}>{key}</Kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Modal>
  );
}
