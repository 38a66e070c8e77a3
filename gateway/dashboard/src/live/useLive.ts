import { useEffect, useState } from 'react';
import { follow, type LiveState } from '../api/live';
import { applyLive, readAgain } from './apply';

/** Follows the workspace while the shell is shown, and says how that goes. */
export function useLive(): LiveState {
  const [state, setState] = useState<LiveState>('connecting');
  useEffect(() => {
    let broken = 0;
    return follow(applyLive, (next) => {
      if (next === 'live' && broken && Date.now() - broken > 5_000) readAgain();
      broken = next === 'live' ? 0 : broken || Date.now();
      setState(next);
    });
  }, []);
  return state;
}
