import { CauseCounter } from '../operations/rejection-causes.ts';
import type { Operations } from '../operations-contract.ts';
import type { CausesPage, RejectedQuery } from '../rejected-contract.ts';

/** All pages of them, put together; `limit` bounds what is shown, not what is looked at. */
export async function allCauses(
  operations: Pick<Operations, 'rejectedCauses'>,
  { limit = 100, ...query }: RejectedQuery,
): Promise<CausesPage> {
  const counter = new CauseCounter();
  let looked = 0;
  let others = 0;
  let after: string | null = null;
  do {
    const page = await operations.rejectedCauses(query, after);
    counter.merge(page.causes);
    looked += page.looked;
    others += page.others;
    after = page.next;
  } while (after !== null);
  const causes = counter.list();
  const beyond = causes.slice(limit).reduce((sum, cause) => sum + cause.count, 0);
  return { causes: causes.slice(0, limit), looked, others: others + counter.others + beyond, next: null };
}
