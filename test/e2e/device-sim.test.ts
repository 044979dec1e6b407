/** The simulator as users run it, against the real gateway. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { type GatewayProcess, SIMULATOR_MAIN, startGateway } from '../support/gateway-process.ts';
import { run, start, until } from '../support/processes.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const EMBEDDED = { sinks: [{ type: 'embedded' }] };

async function simulate(
  ...args: string[]
): Promise<{ code: number | string; stdout: string; stderr: string }> {
  return await run(process.execPath, [SIMULATOR_MAIN, ...args]);
}

function auditOptions(gateway: GatewayProcess): string[] {
  return ['--audit', '--embedded', gateway.dataDir, '--gateway', `http://127.0.0.1:${gateway.httpPort}`];
}

test('a fleet that is audited: nothing is lost, nothing is altered', async () => {
  const gateway = await startGateway({ config: EMBEDDED });
  const { code, stdout, stderr } = await simulate(
    ...['run', '--devices', '40', '--rate', '10/s', '--for', '5s', '--bad', '5%', '-p', String(gateway.port)],
    ...auditOptions(gateway),
  );
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toContain('sent         2000');
  expect(stdout).toContain('Nothing that was acknowledged is lost or altered.');
});

test('the same seed sends the same bytes, another seed others; with --json there is one JSON document', async () => {
  const gateway = await startGateway({ config: EMBEDDED });
  const folder = temporaryFolder('ledgers');
  const sent: Buffer[] = [];
  for (const [name, seed] of [
    ['one', '7'],
    ['two', '7'],
    ['three', '8'],
  ]) {
    const ledger = join(folder, name ?? '');
    const { code, stdout, stderr } = await simulate(
      ...['run', 'vehicles', '--devices', '30', '--rate', '5/s', '--for', '3s', '--faults', '2%', '--json'],
      ...['--url', `mqtt://127.0.0.1:${gateway.port}`, '--seed', seed ?? '', '--ledger', ledger],
    );
    const summary = JSON.parse(stdout);
    expect(code, stdout + stderr).toBe(0);
    expect(summary).toMatchObject({ scenario: 'vehicles', devices: 30, heldBack: 0, unacknowledged: 0 });
    expect(summary.acknowledged).toBe(summary.offered);
    expect(summary.latency.p50Ms).toBeGreaterThan(0);
    sent.push(readFileSync(join(ledger, 'sent.bin')));
  }
  expect(sent[0]?.length).toBeGreaterThan(1000);
  expect(sent[1]).toEqual(sent[0]);
  expect(sent[2]).not.toEqual(sent[0]);
});

test('a storm cuts connections, and everything is acknowledged all the same', async () => {
  const gateway = await startGateway({ config: EMBEDDED });
  const scenario = join(temporaryFolder('storm'), 'storm.yaml');
  writeFileSync(
    scenario,
    `fleets: [{ devices: 50, rate: 5/s, mqtt: { reconnectMin: 100ms, reconnectMax: 500ms } }]
stages: [{ stage: ramp, for: 1s }, { stage: storm, for: 2s }, { stage: storm, for: 2s, share: 50% }]`,
  );
  const { code, stdout, stderr } = await simulate('run', scenario, '-p', String(gateway.port), '--json');
  expect(code, stdout + stderr).toBe(0);
  const summary = JSON.parse(stdout);
  expect(summary.connections.reconnects).toBeGreaterThanOrEqual(60);
  expect(summary.acknowledged).toBe(summary.offered);
});

test('interrupted, it waits for what is unacknowledged and prints its summary', async () => {
  const gateway = await startGateway({ config: EMBEDDED });
  const running = start(process.execPath, [
    ...[SIMULATOR_MAIN, 'run', '--devices', '5', '--rate', '20/s', '-p', String(gateway.port), '--json'],
  ]);
  await until('readings have come', async () => {
    const account: unknown = await gateway.get('/api/account');
    return JSON.stringify(account).match(/"received":(\d+)/)?.[1] !== '0';
  });
  expect(await running.kill('SIGINT')).toBe(0);
  const summary = JSON.parse(running.stdout());
  expect(summary.acknowledged).toBeGreaterThan(0);
  expect(summary.unacknowledged).toBe(0);
});

test('what cannot be is one plain line, and exit code 1', async () => {
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [['run', 'hostil'], /there is no scenario or file hostil; did you mean hostile\?/],
    [['run', '-p', '1', '--devices', '2'], /cannot connect to mqtt:\/\/127\.0\.0\.1:1: /],
    [['run', '--serial', '2'], /give --ports FOLDER/],
    [['run', '--audit'], /an audit needs the database/],
    [['run', '--client-id', 'me'], /--client-id needs %d or %i/],
    [['run', '--rate', 'fast'], /a rate looks like/],
  ];
  for (const [args, words] of wrong) {
    const { code, stderr } = await simulate(...args);
    expect(code, args.join(' ')).toBe(1);
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/^\s+at /m);
  }
});

describeWith(['socat'], 'devices on serial cables', () => {
  test('with faults on the way, audited', async () => {
    const folder = temporaryFolder('cables');
    const scenario = join(folder, 'cables.yaml');
    const ports = join(folder, 'ports');
    writeFileSync(
      scenario,
      `fleets:
  - devices: 5
    schema: environment.v1
    rate: 5/s
    serial: { ack: true }
    faults: { noise: 3%, dropped-bytes: 3%, glued: 3%, unplug: 0.5%, violation: 3% }`,
    );
    const printed = await simulate('run', scenario, '--ports', ports, '--print-serial');
    expect(printed.code, printed.stderr).toBe(0);
    const gateway = await startGateway({ config: { ...EMBEDDED, ...parse(printed.stdout) } });
    const { code, stdout, stderr } = await simulate(
      ...['run', scenario, '--ports', ports, '--for', '6s', ...auditOptions(gateway)],
    );
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toContain('sent         150');
    expect(stdout).toContain('Nothing that was acknowledged is lost or altered.');
  });
});
