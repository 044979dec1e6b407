import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../gateway/package-root.ts';

const FOLDERS = ['.', 'docs', 'docs/decisions', 'bench', 'examples', 'deploy'];

const pages = FOLDERS.map((folder) => join(PACKAGE_ROOT, folder))
  .filter((folder) => existsSync(folder))
  .flatMap((folder) =>
    readdirSync(folder, { recursive: folder.endsWith('examples') }).map((name) => join(folder, String(name))),
  )
  .filter((page) => page.endsWith('.md'));

/** As the forges make them of headings. */
function anchorsOf(page: string): ReadonlySet<string> {
  const headings = readFileSync(page, 'utf8').match(/^#{1,6} .*$/gm) ?? [];
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/^#+ /, '')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function brokenLinks(page: string): readonly string[] {
  const text = readFileSync(page, 'utf8').replace(/```[\s\S]*?```/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    if (!existsSync(file)) return [target];
    return anchor === undefined || anchorsOf(file).has(anchor) ? [] : [target];
  });
}

describe('the documentation', () => {
  it('is there', () => {
    expect(pages.length).toBeGreaterThan(20);
  });

  it.each(pages.map((page) => relative(PACKAGE_ROOT, page)))('%s leads nowhere that is not', (page) => {
    expect(brokenLinks(join(PACKAGE_ROOT, page))).toEqual([]);
  });
});
