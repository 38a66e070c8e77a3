import { Autocomplete } from '@base-ui/react/autocomplete';
import { Dialog } from '@base-ui/react/dialog';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import {
  Bookmark,
  CornerDownLeft,
  Download,
  FileText,
  Keyboard,
  LogOut,
  type LucideIcon,
  Moon,
  Play,
  Plus,
  Search,
  Sun,
  Undo2,
} from 'lucide-react';
import { useDeferredValue, useMemo, useState } from 'react';
import type { Status } from '../api/model';
import { signOut } from '../auth/calls';
import { Kbd } from '../design/Small';
import { StageGlyph } from '../design/StageGlyph';
import { searchQuery } from '../leads/queries';
import { GIVEN, useViews } from '../leads/views';
import { downloadLeads, downloadThisMonth } from '../reports/download';
import { useCanWrite, useMe, useZone } from '../shell/me';
import { PLACES } from '../shell/navigation';
import { openPanel } from '../shell/panels';
import { isMac } from '../shell/platform';
import { setTheme, useDark } from '../shell/theme';
import { undoLast } from '../undo/change';
import { t } from '../words';
import css from './palette.module.css';
import { matches } from './match';

interface Command {
  value: string;
  label: string;
  hint?: string;
  icon?: LucideIcon;
  status?: Status;
  run: () => void;
}
interface Group {
  value: string;
  items: Command[];
}

/** Pages, commands and leads behind one field. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const canWrite = useCanWrite();
  const zone = useZone();
  const dark = useDark();
  const saved = useViews(useMe().workspace.id);
  const [text, setText] = useState('');
  const q = useDeferredValue(text.trim());
  const { data: leads = [] } = useQuery(searchQuery(q));
  const groups = useMemo<Group[]>(() => {
    const commands: Command[] = [
      ...(canWrite
        ? [
            {
              value: 'new',
              label: t('lead.new'),
              hint: 'N',
              icon: Plus,
              run: () => void navigate({ to: '.', search: (old) => ({ ...old, new: true as const }) }),
            },
            {
              value: 'follow',
              label: t('hero.start'),
              icon: Play,
              run: () => void navigate({ to: '/reminders', search: { focus: true } }),
            },
          ]
        : []),
      { value: 'undo', label: t('help.undo'), hint: isMac ? '⌘Z' : 'Ctrl Z', icon: Undo2, run: () => void undoLast() },
      { value: 'csv', label: t('export.leadsCsv'), hint: 'CSV', icon: Download, run: () => void downloadLeads('csv') },
      {
        value: 'month',
        label: t('export.month'),
        hint: 'PDF',
        icon: FileText,
        run: () => void downloadThisMonth(zone),
      },
      {
        value: 'theme',
        label: dark ? t('theme.toLight') : t('theme.toDark'),
        icon: dark ? Sun : Moon,
        run: () => setTheme(dark ? 'light' : 'dark'),
      },
      { value: 'help', label: t('help.title'), hint: '?', icon: Keyboard, run: () => openPanel('help') },
      { value: 'out', label: t('signOut'), icon: LogOut, run: () => void signOut() },
    ];
    const places: Command[] = PLACES.filter((place) => canWrite || !place.writes).map((place) => ({
      value: place.to,
      label: t(place.label),
      hint: place.keys,
      icon: place.icon,
      run: () => void navigate({ to: place.to }),
    }));
    const views: Command[] = [
      ...saved.map((view) => ({
        value: `own ${view.name}`,
        label: view.name,
        icon: Bookmark,
        run: () => void navigate({ to: '/leads', search: view.filter }),
      })),
      ...GIVEN.map((view) => ({
        value: view.name,
        label: t(view.name),
        icon: Search,
        run: () => void navigate({ to: '/leads', search: view.filter }),
      })),
    ];
    const fit = (all: Command[]) => all.filter((command) => matches(command.label, q));
    const found: Command[] = q
      ? leads.map((lead) => ({
          value: lead.id,
          label: lead.company ? `${lead.name}, ${lead.company}` : lead.name,
          status: lead.status,
          run: () => void navigate({ to: '.', search: (old) => ({ ...old, lead: lead.id }), resetScroll: false }),
        }))
      : [];
    const all = q
      ? [
          {
            value: 'all',
            label: t('palette.search', { q }),
            icon: Search,
            run: () => void navigate({ to: '/leads', search: { q } }),
          },
        ]
      : [];
    return [
      { value: t('nav.leads'), items: [...found, ...all] },
      { value: t('palette.do'), items: fit(commands) },
      { value: t('palette.go'), items: fit(places) },
      { value: t('view.title'), items: q ? fit(views) : [] },
    ].filter((group) => group.items.length > 0);
  }, [q, leads, canWrite, navigate, dark, zone, saved]);
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={css.back} />
        <Dialog.Popup className={css.popup}>
          <Dialog.Title className="sr">{t('search.open')}</Dialog.Title>
          <Autocomplete.Root
            items={groups}
            open
            inline
            value={text}
            onValueChange={setText}
            // What fits is decided above: leads by the server, commands by their words.
            filter={null}
            autoHighlight="always"
            keepHighlight
            itemToStringValue={(command: Command) => command.label}
          >
            <div className={css.field}>
              <Search size={18} aria-hidden="true" />
              <Autocomplete.Input placeholder={t('palette.placeholder')} aria-label={t('search.open')} />
              <Kbd>Esc</Kbd>
            </div>
            <Autocomplete.List className={css.list}>
              {(group: Group) => (
                <Autocomplete.Group key={group.value} items={group.items} className={css.group}>
                  <Autocomplete.GroupLabel className={css.label}>{group.value}</Autocomplete.GroupLabel>
                  <Autocomplete.Collection>
                    {(command: Command) => (
                      <Autocomplete.Item
                        key={command.value}
                        value={command}
                        className={css.item}
                        onClick={() => {
                          onClose();
                          command.run();
                        }}
                      >
                        {command.icon ? (
                          <command.icon size={17} aria-hidden="true" />
                        ) : (
                          command.status && <StageGlyph status={command.status} />
                        )}
                        <span>{command.label}</span>
                        {command.hint ? (
                          <Kbd>{command.hint}</Kbd>
                        ) : (
                          <CornerDownLeft size={14} className={css.enter} aria-hidden="true" />
                        )}
                      </Autocomplete.Item>
                    )}
                  </Autocomplete.Collection>
                </Autocomplete.Group>
              )}
            </Autocomplete.List>
          </Autocomplete.Root>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
