import { useSyncExternalStore } from 'react';
import { currentStanding, onStanding } from '../api/session';

export const useStanding = () => useSyncExternalStore(onStanding, currentStanding);
