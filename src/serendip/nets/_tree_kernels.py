"""Compiled loops behind `trees`: grow histogram trees by boosting, and look scores up.

Gradient and hessian of an event are fixed-point numbers in one 64-bit word (gradient above, hessian below): a
histogram then needs one addition an event and feature, and its sums are exact in any order.
A tree is a list of splits: split j sends the events of leaf `slot[j]` whose bin lies above `threshold[j]` to
leaf j + 1.
"""

from functools import partial

import numpy as np
from numba import njit

MAX_LEAVES = 32  # a set of leaves is a 32-bit word
LIMIT = 8.0  # largest Newton step of a leaf: bounds it where weights of either sign nearly cancel

_BYTE = np.uint64(255)
_LOW, _TOP = np.float32(1e-30), np.float32(1e30)  # exp(-score) stays a normal float32
_DE_BRUIJN = np.uint32(0x077CB531)  # maps the 32 one-bit words onto 0..31


def kernel(function):
    """Compile, keeping the machine code on disk where some folder can be written."""
    compiled = partial(njit, nogil=True, error_model="numpy", boundscheck=False)
    try:
        return compiled(cache=True)(function)
    except RuntimeError:  # numba found no place for its cache
        return compiled()(function)


@kernel
def gather(codes, rows, columns, words):
    """Copy rows of codes (n, d) into columns (d, m), and each four columns into one word (d // 4, m)."""
    groups = words.shape[0]
    for i in range(len(rows)):
        row = codes[rows[i]]
        for f in range(columns.shape[0]):
            columns[f, i] = row[f]
        for k in range(groups):
            words[k, i] = (
                np.uint32(row[4 * k])
                | (np.uint32(row[4 * k + 1]) << np.uint32(8))
                | (np.uint32(row[4 * k + 2]) << np.uint32(16))
                | (np.uint32(row[4 * k + 3]) << np.uint32(24))
            )


@kernel
def _derivatives(odds, y, w, scale, packed):
    """Gradient and hessian of the logistic loss; `odds` is exp(-score)."""
    one = np.float32(1)
    four = np.float32(4)
    for i in range(len(odds)):
        p = one / (one + odds[i])
        scaled = w[i] * scale
        g = np.int32(np.rint(scaled * (p - y[i])))
        h = np.int32(np.rint(four * scaled * p * (one - p)))
        packed[i] = (np.int64(g) << 32) + np.int64(h)


@kernel
def _unpack(word):
    h = np.int32(word)
    return np.int32((word - np.int64(h)) >> 32), h


@kernel
def _fill(hist, columns, words, packed, rows, start, stop, everything, bins):
    """Sum the packed derivatives of rows[start:stop] by feature and bin."""
    hist[:] = 0
    width = np.uint64(bins)
    groups = words.shape[0]
    for k in range(groups):
        word = words[k]
        o0 = np.uint64(4 * k) * width
        o1, o2, o3 = o0 + width, o0 + width + width, o0 + width + width + width
        for i in range(start, stop):
            row = np.uint32(i) if everything else rows[i]
            v = np.uint64(word[row])
            gh = packed[row]
            hist[o0 + (v & _BYTE)] += gh
            hist[o1 + ((v >> np.uint64(8)) & _BYTE)] += gh
            hist[o2 + ((v >> np.uint64(16)) & _BYTE)] += gh
            hist[o3 + (v >> np.uint64(24))] += gh
    for f in range(4 * groups, columns.shape[0]):
        column = columns[f]
        offset = np.uint64(f) * width
        for i in range(start, stop):
            row = np.uint32(i) if everything else rows[i]
            hist[offset + np.uint64(column[row])] += packed[row]


@kernel
def _best_split(hist, features, bins, unit, l2, min_hessian, left, gains):
    """The split with the largest gain: (gain, feature, bin, packed sum to its left)."""
    best, best_f, best_b, best_left = np.float32(0), 0, 0, np.int64(0)
    g_unit, h_unit = np.float32(unit), np.float32(unit / 4)
    total = np.int64(0)
    for b in range(bins):
        total += hist[b]
    g, h = _unpack(total)
    g_all, h_all = np.float32(g) * g_unit, np.float32(h) * h_unit
    l2, min_hessian = np.float32(l2), np.float32(min_hessian)
    if h_all < min_hessian + min_hessian:
        return best, best_f, best_b, best_left
    parent = g_all * g_all / (h_all + l2)
    for f in range(features):
        of_feature = hist[f * bins : (f + 1) * bins]
        running = np.int64(0)
        for b in range(bins):
            running += of_feature[b]
            left[b] = running
        for b in range(bins):
            gi, hi = _unpack(left[b])
            g_left, h_left = np.float32(gi) * g_unit, np.float32(hi) * h_unit
            g_right, h_right = g_all - g_left, h_all - h_left
            gain = g_left * g_left / (h_left + l2) + g_right * g_right / (h_right + l2) - parent
            gains[b] = gain if min(h_left, h_right) >= min_hessian else np.float32(-1)
        for b in range(bins):
            if gains[b] > best:
                best, best_f, best_b, best_left = gains[b], f, b, left[b]
    return best, best_f, best_b, best_left


@kernel
def _partition(column, threshold, source, target, start, stop, everything):
    """Write rows up to the threshold from the left end, others from the right; return where they meet."""
    low, high = start, stop - 1
    for i in range(start, stop):
        row = np.uint32(i) if everything else source[i]
        right = np.int64(column[row] > threshold)
        target[np.uint64(low)] = row
        target[np.uint64(high)] = row
        low += 1 - right
        high -= right
    return low


@kernel
def boost(columns, words, y, w, bins, odds, rate, l2, min_hessian, feature, threshold, slot, value):
    """Grow the trees of one member, best leaf first.

    Args:
        columns: codes of shape (d, m).
        words: the same, four features a word, of shape (d // 4, m).
        y: labels 0 and 1 of shape (m,).
        w: weights of shape (m,), of either sign.
        bins: codes lie below it.
        odds: exp(-score) of shape (m,); the start on entry.
        rate: what a leaf's Newton step is multiplied with.
        l2: added to a leaf's hessian.
        min_hessian: no leaf has less.
        feature: of each split, (trees, leaves - 1); written.
        threshold: of each split; 255 where there is none.
        slot: the leaf that each split divides.
        value: score of each leaf, (trees, leaves).
    """
    features, m = columns.shape
    trees, leaves = value.shape
    scale = 0.999 * (2.0**31 - m) / np.sum(np.abs(w).astype(np.float64))
    unit = 1 / scale

    packed = np.empty(m, np.int64)
    rows = np.empty((2, m), np.uint32)
    hists = np.empty((leaves, features * bins), np.int64)
    left, gains = np.empty(bins, np.int64), np.empty(bins, np.float32)
    begin, end, side = np.empty(leaves, np.int64), np.empty(leaves, np.int64), np.empty(leaves, np.int64)
    hist_of, total = np.empty(leaves, np.int64), np.empty(leaves, np.int64)
    gain, split_f = np.empty(leaves, np.float32), np.empty(leaves, np.int64)
    split_b, split_left = np.empty(leaves, np.int64), np.empty(leaves, np.int64)

    for t in range(trees):
        _derivatives(odds, y, w, np.float32(scale), packed)
        begin[0], end[0], side[0], hist_of[0] = 0, m, 0, 0
        _fill(hists[0], columns, words, packed, rows[0], 0, m, True, bins)
        total[0] = np.sum(packed)
        gain[0], split_f[0], split_b[0], split_left[0] = _best_split(
            hists[0], features, bins, unit, l2, min_hessian, left, gains
        )
        grown = 1
        while grown < leaves:
            s = np.argmax(gain[:grown])
            if not gain[s] > 0:
                break
            new, j = grown, grown - 1
            feature[t, j], threshold[t, j], slot[t, j] = split_f[s], split_b[s], s
            middle = _partition(
                columns[split_f[s]], split_b[s], rows[side[s]], rows[1 - side[s]], begin[s], end[s], j == 0
            )
            begin[new], end[new], side[new] = middle, end[s], 1 - side[s]
            end[s], side[s] = middle, 1 - side[s]
            total[new] = total[s] - split_left[s]
            total[s] = split_left[s]
            grown += 1
            if grown == leaves:
                break
            # Only the smaller child is summed; the larger one is what remains of its parent.
            small, large = (s, new) if end[s] - begin[s] < end[new] - begin[new] else (new, s)
            parent = hist_of[s]
            _fill(hists[new], columns, words, packed, rows[side[s]], begin[small], end[small], False, bins)
            hists[parent] -= hists[new]
            hist_of[small], hist_of[large] = new, parent
            for child in (s, new):
                gain[child], split_f[child], split_b[child], split_left[child] = _best_split(
                    hists[hist_of[child]], features, bins, unit, l2, min_hessian, left, gains
                )
        for leaf in range(grown):
            g, h = _unpack(total[leaf])
            step = -(g * unit) / (max(h * unit / 4, min_hessian) + l2)
            value[t, leaf] = rate * min(max(step, -LIMIT), LIMIT)
            factor = np.float32(np.exp(-value[t, leaf]))
            members = rows[side[leaf]]
            for i in range(begin[leaf], end[leaf]):
                row = np.uint32(i) if grown == 1 else members[i]
                odds[row] = min(max(odds[row] * factor, _LOW), _TOP)


@kernel
def leaf_tables(feature, threshold, slot, value, bins, sets, values):
    """Turn splits into lookups: the leaves that an event can still reach, by feature and bin.

    Args:
        feature: of each split, (trees, leaves - 1).
        threshold: of each split.
        slot: the leaf that each split divides.
        value: score of each leaf, (trees, leaves).
        bins: codes lie below it.
        sets: leaf sets, one bit a leaf, (trees, d * bins); their intersection is one leaf; written.
        values: score of each leaf where the hash of its bit points, (trees, 32); written.

    Source: the leaf sets of QuickScorer, doi:10.1145/2766462.2767733, with both sides of a split taken out.
    """
    trees, leaves = value.shape
    reach = np.empty(leaves, np.uint32)
    for t in range(trees):
        table = sets[t]
        table[:] = np.uint32(0xFFFFFFFF) >> np.uint32(32 - leaves)
        for leaf in range(leaves):
            reach[leaf] = np.uint32(1) << np.uint32(leaf)
            values[t, (reach[leaf] * _DE_BRUIJN & np.uint32(0xFFFFFFFF)) >> np.uint32(27)] = value[t, leaf]
        for j in range(leaves - 2, -1, -1):
            start = feature[t, j] * bins
            s, edge = slot[t, j], min(np.int64(threshold[t, j]) + 1, bins)
            for b in range(start, start + edge):
                table[b] &= ~reach[j + 1]
            for b in range(start + edge, start + bins):
                table[b] &= ~reach[s]
            reach[s] |= reach[j + 1]


@kernel
def add_scores(codes, sets, values, bins, out):
    """Add the score of every tree, looked up by codes (n, d), to out (n,)."""
    n, features = codes.shape
    block = 2048
    columns = np.empty((features, block), np.uint8)
    reach = np.empty(block, np.uint32)
    score = np.empty(block, np.float32)
    for first in range(0, n, block):
        size = min(block, n - first)
        for i in range(size):
            for f in range(features):
                columns[f, i] = codes[first + i, f]
        score[:] = 0
        for t in range(sets.shape[0]):
            table, value = sets[t], values[t]
            for i in range(size):
                reach[i] = table[columns[0, i]]
            for f in range(1, features):
                column, of_feature = columns[f], table[f * bins : (f + 1) * bins]
                for i in range(size):
                    reach[i] &= of_feature[column[i]]
            for i in range(size):
                score[i] += value[(reach[i] * _DE_BRUIJN & np.uint32(0xFFFFFFFF)) >> np.uint32(27)]
        for i in range(size):
            out[first + i] += score[i]
