import {
  Activity,
  Bell,
  ChartNoAxesColumn,
  FileUp,
  Kanban,
  LayoutDashboard,
  type LucideIcon,
  Settings,
  Users,
} from 'lucide-react';
import type { Key } from '../words';

export type Path = '/' | '/leads' | '/pipeline' | '/reminders' | '/reports' | '/activity' | '/import' | '/settings';
export interface Place {
  to: Path;
  icon: LucideIcon;
  label: Key;
  keys?: string;
  /** Of no use to those who may only read. */
  writes?: boolean;
}

export const PLACES: readonly Place[] = [
  { to: '/', icon: LayoutDashboard, label: 'nav.dashboard', keys: 'G D' },
  { to: '/leads', icon: Users, label: 'nav.leads', keys: 'G L' },
  { to: '/pipeline', icon: Kanban, label: 'nav.pipeline', keys: 'G P' },
  { to: '/reminders', icon: Bell, label: 'nav.reminders', keys: 'G R' },
  { to: '/reports', icon: ChartNoAxesColumn, label: 'nav.reports', keys: 'G E' },
  { to: '/activity', icon: Activity, label: 'nav.activity', keys: 'G A' },
  { to: '/import', icon: FileUp, label: 'nav.import', writes: true },
  { to: '/settings', icon: Settings, label: 'nav.settings' },
];
