"""Print what a train_field record and a multiscale record say, beside the goal of `make fields`."""
import json
import sys

train, scales = (json.load(open(f, encoding='utf8')) for f in sys.argv[1:3])
rows = {(r['method'], r['scale']): r for r in scales['results']}
methods = list(dict.fromkeys(m for m, _ in rows))
print(f"\ntrained {train['metrics']['wall_clock_seconds']:.0f} s, {train['metrics']['parameters']:,} parameters; PSNR in dB and SSIM on {scales['data']['count']} crops of photos it has not seen\n")
print(f"{'':28}" + ''.join(f"{f'{s} pixels':>16}" for s in sorted({s for _, s in rows})))
for m in methods: print(f'{m:28}' + ''.join(f"{rows[m, s]['psnr']:9.2f} {rows[m, s]['ssim']:.3f} " for s in sorted({s for _, s in rows})))
print()
for line in scales['beaten']:
    if ' enlarged' not in line: print(line)
at = {r['method']: r for r in train['results']}
mean, linear = next(r for m, r in at.items() if ', mean of' in m), at['linear']
print(f"\nGoal: better than linear interpolation at 32 pixels ({train['judged']['count']} crops). {'Reached' if mean['PSNR'] > linear['PSNR'] and mean['SSIM'] > linear['SSIM'] else 'NOT reached'}:")
for m, r in at.items():
    sign = lambda k: ' ' if r is mean else '>' if mean[k] > r[k] else '<'
    print(f"  {m:24} {sign('PSNR')} {r['PSNR']:.2f} dB   {sign('SSIM')} SSIM {r['SSIM']:.3f}")
print(f"('>': {mean['method']} beats it, '<': it does not)\n")
