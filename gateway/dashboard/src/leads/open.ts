let go: (id: string) => void = () => undefined;

/** The shell says how a lead is opened; who only has an id (a notice, say) calls `openLead`. */
export const setOpener = (opener: (id: string) => void) => {
  go = opener;
};
export const openLead = (id: string) => go(id);
