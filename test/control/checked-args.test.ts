import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDispatch } from '../../gateway/control/dispatch.ts';
import { isGatewayError } from '../../gateway/errors.ts';
import { fakeOperations } from '../commands/fake-operations.ts';

const OPS = ['rejected', 'rejectedCauses', 'rejectedRecords', 'replay', 'discardRejected', 'devices'];

test('what is well formed is passed on as it came', async () => {
  const operations = fakeOperations();
  const dispatch = createDispatch(operations);
  const filter = { code: 'invalid', topic: 'a/+', since: '2h', state: 'open' };
  await dispatch('rejectedCauses', { query: filter, after: 'x' });
  await dispatch('replay', { selection: { filter }, dryRun: true, after: null, limit: 7, run: 'r' });
  await dispatch('discardRejected', { selection: { ids: ['r1'] }, after: 'x', limit: 7 });
  expect(operations.asked).toEqual([
    { query: filter, after: 'x' },
    { selection: { filter }, dryRun: true, after: null, limit: 7, run: 'r' },
    { selection: { ids: ['r1'] }, after: 'x', limit: 7 },
  ]);
});

test.each([
  ['replay', { selection: { all: 'yes' }, limit: 1 }],
  ['replay', { selection: { ids: 'r1' }, limit: 1 }],
  ['replay', { selection: { ids: [1] }, limit: 1 }],
  ['replay', { selection: { filter: { state: 'nonsense' } }, limit: 1 }],
  ['replay', { selection: { all: true }, limit: 1, dryRun: 'no' }],
  ['discardRejected', { selection: null, limit: 1 }],
  ['discardRejected', { selection: { all: true }, limit: 0.5 }],
  ['rejected', { code: 'nonsense' }],
  ['rejectedRecords', { query: {}, after: 7, limit: 1 }],
])('%s with %j is refused before anything is asked', async (op, args) => {
  const operations = fakeOperations();
  await expect(async () => await createDispatch(operations)(op, args)).rejects.toMatchObject({
    code: 'usage',
  });
  expect(operations.asked).toEqual([]);
});

test('whatever comes through the socket is answered, or refused as not understood', async () => {
  const dispatch = createDispatch(fakeOperations());
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...OPS),
      fc.dictionary(fc.string(), fc.jsonValue()),
      async (op, args) => {
        try {
          await dispatch(op, args);
        } catch (error) {
          expect(isGatewayError(error, 'usage')).toBe(true);
        }
      },
    ),
  );
});
