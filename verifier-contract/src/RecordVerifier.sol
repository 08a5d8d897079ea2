// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IRecordVerifier} from "./interfaces/IRecordVerifier.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Record verifier
/// @notice See `IRecordVerifier`. One contract for every layout under one SRS; it holds no funds and has no owner.
/// @dev For the statement and its soundness argument see the head of `circuits/src/columns/opening.rs`. With
/// commitments C_c, the record's points S, the vanishing polynomial Z of S and the polynomial I through the claimed
/// cells, combined by powers of γ: e(W', [τ]₂) = e(Σ γ^c C_c − [I(z)]₁ − Z(z)·W + z·W', [1]₂).
contract RecordVerifier is IRecordVerifier {
    uint256 private constant R = Statements.FIELD_MODULUS;
    /// 7^((r − 1) / 2^28), of order 2^28.
    uint256 private constant ROOT = 0x03ddb9f5166d18b798865ea93dd31f743215cf6dd39329c8d34f1ed960c37c9c;
    bytes32 private constant DOMAIN = keccak256("tribute.record.v1");

    // [1]₂ in the pairing precompile's encoding: imaginary parts first.
    uint256 private constant G2_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 private constant G2_X0 = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;
    uint256 private constant G2_Y1 = 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b;
    uint256 private constant G2_Y0 = 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa;

    /// The record's place in the evaluation domain.
    struct Places {
        uint256 first; // x_0
        uint256 vanishing; // Z(z)
        uint256[] powers; // ω^j
        uint256[] products; // a_1…a_j
    }

    /// @inheritdoc IRecordVerifier
    bytes32 public immutable srsDigest;
    uint256 private immutable TAU_X1;
    uint256 private immutable TAU_X0;
    uint256 private immutable TAU_Y1;
    uint256 private immutable TAU_Y0;

    /// @param tauG1 [τ]₁, x and y.
    /// @param tauG2 [τ]₂ in the pairing precompile's encoding: x and y, imaginary parts first.
    constructor(uint256[2] memory tauG1, uint256[4] memory tauG2) {
        // e([τ]₁, [1]₂) = e([1]₁, [τ]₂): both points are in their groups and have the same nonzero secret
        if (tauG1[0] == 0 || !paired(tauG1[0], tauG1[1], [G2_X1, G2_X0, G2_Y1, G2_Y0], 1, 2, tauG2)) revert NotAnSrs();
        (TAU_X1, TAU_X0, TAU_Y1, TAU_Y0) = (tauG2[0], tauG2[1], tauG2[2], tauG2[3]);
        srsDigest = keccak256(
            abi.encodePacked(
                "tribute.srs.v1",
                compressed(1, 2),
                compressed(tauG1[0], tauG1[1]),
                reversed(G2_X0),
                compressed(G2_X1, G2_Y0),
                reversed(tauG2[1]),
                compressed(tauG2[0], tauG2[3])
            )
        );
    }

    /// @inheritdoc IRecordVerifier
    function checkRegistered(address registry, bytes32 datasetId, uint256 shard, Shown calldata shown) external view {
        IDatasetRegistry.Dataset memory dataset = IDatasetRegistry(registry).dataset(datasetId);
        if (dataset.srsDigest != srsDigest) revert OtherSrs(srsDigest, dataset.srsDigest);
        if (shard >= dataset.shards) revert NoSuchShard(shard, dataset.shards);
        (bytes32 digest, bytes32 layoutHash) = check(shown);
        if (layoutHash != dataset.layoutHash) revert OtherLayout(dataset.layoutHash, layoutHash);
        bytes32 registered = IDatasetRegistry(registry).shardDigest(datasetId, shard);
        if (digest != registered) revert OtherShard(registered, digest);
    }

    /// @inheritdoc IRecordVerifier
    function check(Shown calldata shown) public view returns (bytes32 shardDigest, bytes32 layoutHash) {
        uint256 rows = checkClaim(shown);
        shardDigest = keccak256(shown.points);
        layoutHash = hashOf(shown.dims);
        bytes32 seed = keccak256(
            abi.encode(
                DOMAIN, shown.context, layoutHash, shardDigest, shown.index, keccak256(shown.features), shown.target
            )
        );
        uint256 gamma = uint256(seed) % R;
        uint256 z = uint256(keccak256(abi.encode(seed, shown.proof[0], shown.proof[1]))) % R;
        Places memory places = placesOf(shown, rows, z);
        uint256 value = interpolated(cells(shown, rows, gamma), places, z);

        // Σ γ^c C_c − I(z) − Z(z)·W + z·W'
        uint256[2] memory sum = combined(shown.points, gamma);
        add(sum, 1, 2, (R - value) % R, type(uint256).max);
        uint256 columns = shown.dims.columns + 1;
        add(sum, shown.proof[0], shown.proof[1], R - places.vanishing, columns);
        add(sum, shown.proof[2], shown.proof[3], z, columns + 1);
        uint256[4] memory tau = [TAU_X1, TAU_X0, TAU_Y1, TAU_Y0];
        uint256[4] memory one = [G2_X1, G2_X0, G2_Y1, G2_Y0];
        if (!paired(shown.proof[2], shown.proof[3], tau, sum[0], sum[1], one)) revert NotThisRecord();
    }

    /// Rejects what cannot be a record of the layout; returns the number of rows of a record.
    function checkClaim(Shown calldata shown) private pure returns (uint256 rows) {
        Layout calldata l = shown.dims;
        bool possible = l.k >= 10 && l.k <= 22 && l.columns >= 1 && l.columns <= 64 && l.features >= 1
            && l.features <= 1024 && l.classes >= 1 && l.classes <= 100 && (!l.realTarget || l.classes == 1)
            && l.interceptScale <= Statements.INTERCEPT_SCALE_MOST;
        if (!possible) revert ImpossibleLayout();
        uint256 dataRows = (uint256(l.features) + l.columns - 1) / l.columns;
        rows = dataRows > l.classes ? dataRows : uint256(l.classes) + 1;
        uint256 room = (1 << l.k) - 6 - saltRows(l.k);
        uint256 weights = (uint256(l.features) + 1) * l.classes;
        uint256 capacity = room > weights ? (room - weights) / rows : 0;
        if (shown.index >= capacity) revert NoSuchRecord(shown.index, capacity);
        uint256 bytesOfPoints = 64 * (uint256(l.columns) + 1);
        if (shown.points.length != bytesOfPoints) revert WrongLength(bytesOfPoints, shown.points.length);
        if (shown.features.length != l.features) revert WrongLength(l.features, shown.features.length);
        if (!l.realTarget && shown.target >= l.classes) revert NoSuchClass(shown.target, l.classes);
    }

    function saltRows(uint256 k) private pure returns (uint256) {
        return k < 13 ? 64 : 1024;
    }

    /// Equals the circuits' `Layout::hash`.
    function hashOf(Layout calldata l) private pure returns (bytes32) {
        uint32 task = l.realTarget ? 1 : 0;
        return keccak256(
            abi.encodePacked(
                "tribute.layout.v1",
                l.k,
                l.columns,
                l.features,
                l.classes,
                task,
                uint32(saltRows(l.k)),
                l.interceptScale
            )
        );
    }

    /// The record's points x_j = x_0·ω^j, and Z(z), the value of their vanishing polynomial.
    function placesOf(Shown calldata shown, uint256 rows, uint256 z) private view returns (Places memory places) {
        uint256 step = 1 << (28 - shown.dims.k);
        uint256 omega = power(ROOT, step);
        uint256 first = power(ROOT, step * shown.index * rows);
        uint256[] memory products = new uint256[](rows);
        uint256[] memory powers = new uint256[](rows);
        uint256 vanishing = addmod(z, R - first, R);
        (products[0], powers[0]) = (1, 1);
        for (uint256 j = 1; j < rows; ++j) {
            uint256 w = mulmod(powers[j - 1], omega, R);
            powers[j] = w;
            products[j] = mulmod(products[j - 1], addmod(1, R - w, R), R);
            vanishing = mulmod(vanishing, addmod(z, R - mulmod(first, w, R), R), R);
        }
        // 0 if z is one of the points: nothing to interpolate
        if (vanishing == 0) revert NotThisRecord();
        return Places(first, vanishing, powers, products);
    }

    /// I(z), where I is the polynomial of least degree with `values` at the points.
    ///
    /// I(z) = Z(z)·Σ v_j / ((z − x_j)·D_j), where D_j = Π_{m≠j} (x_j − x_m)
    /// = x_0^(R−1) · (−1)^j · ω^(j(j−1)/2 + j(R−1−j)) · a_1…a_j · a_1…a_(R−1−j), a_t = 1 − ω^t.
    function interpolated(uint256[] memory values, Places memory p, uint256 z) private view returns (uint256) {
        uint256 last = values.length - 1;
        uint256 numerator = 0; // the sum as one fraction, for one inversion
        uint256 denominator = 1;
        uint256 sign = power(p.first, last); // with x_0^(R−1): (−1)^j ω^(j(j−1)/2)
        for (uint256 j = 0; j <= last; ++j) {
            uint256 w = p.powers[j];
            uint256 t = mulmod(sign, power(w, last - j), R);
            t = mulmod(t, mulmod(p.products[j], p.products[last - j], R), R);
            t = mulmod(t, addmod(z, R - mulmod(p.first, w, R), R), R);
            numerator = addmod(mulmod(numerator, t, R), mulmod(values[j], denominator, R), R);
            denominator = mulmod(denominator, t, R);
            sign = R - mulmod(sign, w, R);
        }
        return mulmod(mulmod(p.vanishing, numerator, R), power(denominator, R - 2), R);
    }

    /// The record's cells, row by row, each row's columns combined by powers of γ.
    function cells(Shown calldata shown, uint256 rows, uint256 gamma) private pure returns (uint256[] memory values) {
        values = new uint256[](rows);
        uint256 columns = shown.dims.columns;
        uint256[] memory powers = new uint256[](columns + 1);
        powers[0] = 1;
        for (uint256 c = 1; c <= columns; ++c) {
            powers[c] = mulmod(powers[c - 1], gamma, R);
        }
        bytes calldata features = shown.features;
        uint256 column = 0;
        uint256 row = 0;
        for (uint256 j = 0; j < features.length; ++j) {
            values[row] = addmod(values[row], mulmod(uint8(features[j]), powers[column], R), R);
            if (++column == columns) (column, row) = (0, row + 1);
        }
        // presence, then the one-hot of the class or the value
        uint256 label = powers[columns];
        values[0] = addmod(values[0], label, R);
        if (shown.dims.realTarget) {
            values[1] = addmod(values[1], mulmod(shown.target, label, R), R);
        } else {
            uint256 place = 1 + uint256(shown.target);
            values[place] = addmod(values[place], label, R);
        }
    }

    /// Σ γ^c C_c, by Horner's rule from the last.
    function combined(bytes calldata points, uint256 gamma) private view returns (uint256[2] memory sum) {
        for (uint256 offset = points.length; offset > 0;) {
            offset -= 64;
            uint256 x = uint256(bytes32(points[offset:offset + 32]));
            uint256 y = uint256(bytes32(points[offset + 32:offset + 64]));
            if (offset + 64 < points.length) {
                (sum[0], sum[1]) = multiplied(sum[0], sum[1], gamma, type(uint256).max);
            }
            add(sum, x, y, 1, offset / 64);
        }
    }

    /// sum += scalar·(x, y); `index` identifies the point in an error. The point at infinity never appears in a proof.
    /// Points are checked here because a precompile that rejects one burns all the gas it was given.
    function add(uint256[2] memory sum, uint256 x, uint256 y, uint256 scalar, uint256 index) private view {
        uint256 p = Statements.COORDINATE_MODULUS;
        if (x >= p || y >= p || mulmod(y, y, p) != addmod(mulmod(mulmod(x, x, p), x, p), 3, p)) {
            revert NotAPoint(index);
        }
        if (scalar != 1) (x, y) = multiplied(x, y, scalar, index);
        uint256[4] memory io = [sum[0], sum[1], x, y];
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 6, io, 0x80, sum, 0x40)
        }
        if (!ok) revert NotAPoint(index);
    }

    function multiplied(uint256 x, uint256 y, uint256 scalar, uint256 index)
        private
        view
        returns (uint256 toX, uint256 toY)
    {
        uint256[3] memory io = [x, y, scalar];
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 7, io, 0x60, io, 0x40)
        }
        if (!ok) revert NotAPoint(index);
        return (io[0], io[1]);
    }

    /// Whether e((ax, ay), b) = e((cx, cy), d); false if an argument is not a point.
    function paired(uint256 ax, uint256 ay, uint256[4] memory b, uint256 cx, uint256 cy, uint256[4] memory d)
        private
        view
        returns (bool)
    {
        uint256 p = Statements.COORDINATE_MODULUS;
        if (cy >= p) return false;
        uint256[12] memory io = [ax, ay, b[0], b[1], b[2], b[3], cx, (p - cy) % p, d[0], d[1], d[2], d[3]];
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 8, io, 0x180, io, 0x20)
        }
        return ok && io[0] == 1;
    }

    /// base^exponent mod r.
    function power(uint256 base, uint256 exponent) private view returns (uint256 result) {
        if (exponent < 1024) {
            result = 1;
            for (; exponent > 0; exponent >>= 1) {
                if (exponent & 1 == 1) result = mulmod(result, base, R);
                base = mulmod(base, base, R);
            }
            return result;
        }
        uint256[6] memory io = [0x20, 0x20, 0x20, base, exponent, R];
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 5, io, 0xc0, io, 0x20)
        }
        assert(ok);
        return io[0];
    }

    /// halo2curves' compressed form: x little-endian, the parity of y in bit 6 of the last byte.
    function compressed(uint256 x, uint256 y) private pure returns (uint256) {
        return reversed(x) | (y & 1) << 6;
    }

    /// Reverses the bytes of a word.
    function reversed(uint256 x) private pure returns (uint256 y) {
        for (uint256 i = 0; i < 32; ++i) {
            y = y << 8 | x & 0xff;
            x >>= 8;
        }
    }
}
