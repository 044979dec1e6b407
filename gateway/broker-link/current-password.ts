import { readFile, stat } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { UnreadableFile } from './broker-stream.ts';

const MAX_BYTES = 64 * 1024;

/**
 * The password as its file has it now: it may have been changed since the start, with that of the broker. What can be read
 * but once (a pipe, as `<(command)` gives one) was read then.
 * @throws UnreadableFile
 */
export async function currentPassword({
  password,
  passwordFile,
}: Pick<BrokerConnection, 'password' | 'passwordFile'>): Promise<string | null> {
  if (passwordFile === null) return password;
  try {
    const { size, isPipe } = await kindOf(passwordFile);
    if (isPipe) return password;
    if (size > MAX_BYTES)
      throw new UnreadableFile(`${passwordFile} is larger than 64 KiB and so is no secret`);
    const text = (await readFile(passwordFile, 'utf8')).trim();
    if (text === '') throw new UnreadableFile(`${passwordFile} is empty: it is to hold the password`);
    return text;
  } catch (error) {
    if (error instanceof UnreadableFile) throw error;
    throw new UnreadableFile(`${passwordFile} cannot be read: ${messageOf(error)}`);
  }
}

async function kindOf(file: string): Promise<{ readonly size: number; readonly isPipe: boolean }> {
  const found = await stat(file);
  return { size: found.size, isPipe: !found.isFile() && !found.isDirectory() };
}
