import { editDistance } from '../edit-distance.ts';

/** The word that a mistyped one was meant to be, or null where none is near. */
export function nearestWord(typed: string, words: readonly string[]): string | null {
  if (typed.length > 64) return null;
  const plain = (word: string): string => word.toLowerCase().replace(/[^a-z0-9]/g, '');
  let best: string | null = null;
  let least = Math.max(1, Math.floor(typed.length / 3)) + 1;
  for (const word of words) {
    const distance = editDistance(plain(typed), plain(word));
    if (distance < least) {
      least = distance;
      best = word;
    }
  }
  return best;
}
