import { describeGarbage } from '../../../contract/garbage.ts';
import { World } from './model/world.ts';

describeGarbage('the SQLite catalog', () => World.open());
